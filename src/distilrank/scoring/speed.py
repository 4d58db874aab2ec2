"""The speed of a scoring."""

from dataclasses import dataclass


@dataclass
class Speed:
    """Pairs scored in `seconds`, and the tokens, real and padded, that were read for them."""

    pairs: int = 0
    tokens: int = 0
    padded_tokens: int = 0
    seconds: float = 0.0

    def add(self, pairs: int, tokens: int, padded_tokens: int, seconds: float) -> None:
        """Adds a part that was done `seconds` after the beginning."""
        self.pairs += pairs
        self.tokens += tokens
        self.padded_tokens += padded_tokens
        self.seconds = seconds

    def values(self) -> dict[str, float]:
        """The figures, under their names in MLflow and in the store's manifest."""
        seconds = max(self.seconds, 1e-9)
        return {
            "pairs": self.pairs,
            "seconds": round(self.seconds, 3),
            "pairs per second": round(self.pairs / seconds, 1),
            "tokens per second": round(self.tokens / seconds, 1),
            "padding share": round(1 - self.tokens / max(self.padded_tokens, 1), 4),
        }

    def __str__(self) -> str:
        values = self.values()
        return f"{values['tokens per second']:,.0f} tokens/s, {values['padding share']:.1%} padding"
