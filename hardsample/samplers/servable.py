"""Which methods a sampler can serve, and with what."""

from hardsample.errors import InputError
from hardsample.methods.base import Method


def no_lag(method: Method) -> bool:
    """May no mini-batch be drawn before the last was updated, since the draw needs it, or the network of that time?"""
    return method.in_turn or method.evaluates


def check_servable(
    name: str, method: Method, *, evaluates: bool, lag: int, world_size: int, size: int, batch_size: int
) -> None:
    """Raise unless the method of that name can work so; ``evaluates`` tells that it has the forward passes it takes.

    Raises:
        InputError: says what to give.
    """
    if method.end is not None:
        raise InputError(f"{name} would end after so many rounds: leave rounds out, and end the loop yourself.")
    if method.scored != ("before", True):
        raise InputError(f"your own loop decides when {name} is scored: leave score and score_dropout out.")
    if method.evaluates and not evaluates:
        answer = "(logits [m, K], losses [m])" if method.reads_logits else "losses [m]"
        raise InputError(
            f"{name} asks for forward passes: give evaluate=, a callable from int64 indices [m] to {answer}."
        )
    if lag > 1 and no_lag(method):
        raise InputError(f"lag is {lag}, and {name} cannot draw ahead: give lag=1, and the loader num_workers=0.")
    wants = "reads logits" if method.reads_logits else "asks for forward passes" if evaluates else ""
    if world_size > 1 and wants:
        raise InputError(
            f"{name} {wants}, which {world_size} processes do not share: train in one process, or choose a method that"
            " goes by losses alone."
        )
    tail = size % batch_size if method.updates_per_epoch == -(-size // batch_size) else 0
    if tail % world_size:
        raise InputError(
            f"the last mini-batch has {tail} examples, which {world_size} processes cannot share: give drop_last=True,"
            " or a batch_size that leaves none over."
        )
