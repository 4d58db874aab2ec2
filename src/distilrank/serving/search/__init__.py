"""The search page: a server with which people compare what systems find."""
