"""The search page: a server for people, who compare what systems find."""
