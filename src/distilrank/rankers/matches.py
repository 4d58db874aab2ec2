"""Which parts of a query and a passage contributed to a score, for the architectures that can tell."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from distilrank.rankers.base import Encoded, TokenBatch


class TokenMatch(NamedTuple):
    """A token of the query and the most similar token of the passage, by their places in the two texts."""

    query: int
    passage: int
    weight: float


class TermMatch(NamedTuple):
    """An entry of the vocabulary with a weight in both texts, which need not contain it, and the weights' product."""

    term: int
    weight: float


Match = TokenMatch | TermMatch


def most_similar(
    query: "Encoded", passages: "Encoded", texts: "tuple[TokenBatch, TokenBatch]", begin: int
) -> list[list[Match]]:
    """Per passage, for each token of one query, the passage's token with the highest product.

    `texts` are the encoded texts. Their tokens are in the encodings from position `begin` on. A query token that is
    most similar to a special token matches nothing.
    """
    products = query.values.float() @ passages.values.float().transpose(1, 2)
    best = products.masked_fill(~passages.mask.unsqueeze(1), float("-inf")).max(2)
    asked, lengths = slice(begin, begin + int(texts[0].mask.sum())), texts[1].mask.sum(1).tolist()
    rows = zip(best.values[:, asked].tolist(), (best.indices[:, asked] - begin).tolist(), lengths, strict=True)
    return [
        [
            TokenMatch(token, place, weight)
            for token, (weight, place) in enumerate(zip(weights, places, strict=True))
            if 0 <= place < length
        ]
        for weights, places, length in rows
    ]


def largest_products(query: "Encoded", passages: "Encoded", most: int) -> list[list[Match]]:
    """Per passage, the entries of the vocabulary that add most to its score for one query, at most `most`."""
    products = (query.values.float() * passages.values.float()).squeeze(1)
    top = products.topk(min(most, products.shape[1]))
    return [
        [TermMatch(term, weight) for weight, term in zip(weights, terms, strict=True) if weight > 0]
        for weights, terms in zip(top.values.tolist(), top.indices.tolist(), strict=True)
    ]
