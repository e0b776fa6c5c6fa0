"""Any method of the registry as a sampler, with all that it wants to be told."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from hardsample import arguments
from hardsample.errors import InputError, check_choice
from hardsample.methods import registry
from hardsample.methods.base import Method
from hardsample.methods.persistent import PersistentLoss
from hardsample.samplers import checks
from hardsample.samplers.base import LearningSampler
from hardsample.samplers.draws import View
from hardsample.samplers.forward_passes import Answer, forward_pass
from hardsample.samplers.servable import check_servable, no_lag

_OWN = "method."  # what a state calls the method's own tensors begins so


# Long, since a third of it is documentation: it stands between any training loop and any method.
class MethodSampler(LearningSampler):
    """Draws and learns as a method of the registry does, by its name: "MB", "HMB", "InfoBatch", or one of your own.

    docs/samplers.md has a table of what each method wants to be told. The loop is that of every sampler, and besides:

    - Where a method reads logits (PEB, P-margin, P-confidence, P-EL2N, KAKURENBO): ``update(index, losses,
      logits=logits)``. It may be given to all methods.
    - Where it asks for forward passes of its own (OHEM, SB, Mercury, LPS, LB, KAKURENBO): ``evaluate``.
    - Where it weights losses (InfoBatch, Mercury): ``losses * sampler.weights(index)`` before the mean.
    - Where it changes the learning rate (KAKURENBO): multiply that of every step by :attr:`learning_rate_factor`.

    Methods of persistent base values (PLB, PEB ...) begin with a forward pass over all examples where ``evaluate`` is
    given; where it is not, as :class:`BaseValuesSampler`: unseen examples count as the hardest of the first mini-batch.
    A mini-batch may be shorter than ``batch_size``: the last of HMB, RMB, FMB and HE, and each of OHEM.

    Args:
        method: a name of ``hardsample.methods.registry.METHODS``.
        size: number of examples N.
        batch_size: n, of all processes together; each gets n / world_size.
        seed: of the draws.
        lag: as of :class:`BaseValuesSampler`. It is 1 for methods whose next draw needs the last update, or forward
            passes: a loader gives them num_workers=0.
        epochs: length of the training in epochs of N / n updates, for the methods that are planned by it (InfoBatch,
            KAKURENBO).
        evaluate: a callable from int64 indices [m], on ``device``, to losses [m], or to (logits [m, K], losses [m])
            for a method that reads logits: the network's in evaluation mode. It is called without gradients.
        rank, world_size, device: as of :class:`BaseValuesSampler`.
        options: the method's own, as ``registry.option_names(method)`` lists them.

    Raises:
        InputError: an argument is out of its range, or the method cannot work so; the message says what to give.
    """

    def __init__(
        self,
        method: str,
        size: int,
        batch_size: int,
        *,
        seed: int = 0,
        lag: int = 1,
        epochs: float | None = None,
        evaluate: Callable[[Tensor], Answer] | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        device: str | torch.device = "cpu",
        **options: Any,
    ) -> None:
        check_choice("method", method, registry.METHODS)
        arguments.function("evaluate", evaluate, "a callable from int64 indices [m]")
        self.method = method
        self._chosen = options | ({} if epochs is None else {"epochs": arguments.real("epochs", epochs)})
        super().__init__(
            size,
            batch_size,
            seed=seed,
            lag=lag,
            refresh_every=0,
            rank=rank,
            world_size=world_size,
            device=device,
            options={"method": method} | registry.METHODS[method].defaults | self._chosen,
        )
        begins = isinstance(self._method, PersistentLoss)  # with a forward pass, if it may
        self._evaluate = evaluate if begins or self._method.evaluates else None
        self._options["evaluates"] = self._evaluate is not None
        self._alike = self._begins_alike = begins and evaluate is None
        self._logits: Tensor | None = None  # of the update that is being made
        check_servable(
            method,
            self._method,
            evaluates=self._evaluate is not None,
            lag=self.lag,
            world_size=self.world_size,
            size=self.size,
            batch_size=self.batch_size,
        )

    def update(
        self, indices: Tensor | Sequence[int], scores: Tensor | Sequence[float], *, logits: Tensor | None = None
    ) -> None:
        """Tell the losses of the oldest batch that was drawn and not yet updated: the whole of it, batch by batch.

        Args:
            indices: int [n / world_size], the batch of this rank in any order.
            scores: float [n / world_size]: the losses, before they are weighted; finite and not negative. A gradient
                is left out.
            logits: float [n / world_size, K], for a method that reads them.

        Raises:
            InputError: bad indices, scores or logits, or not a whole batch; or ``lag`` is too small for the loader.
                Nothing is changed.
        """
        self._logits = logits
        try:
            super().update(indices, scores)
            if self._logits is not None:
                step, drawn, losses = self._waiting.pop()
                self._waiting.append((step, drawn, torch.cat([losses.unsqueeze(2), self._logits.unsqueeze(0)], 2)))
        finally:
            self._logits = None
        if self.lag == 1:  # every draw that must not see it is made
            self._apply(self._updates)

    def skip(self) -> None:
        """As :meth:`LearningSampler.skip`: the method goes on to its next mini-batch."""
        super().skip()
        if self.lag == 1:
            self._apply(self._updates)
            self._method.skip()

    @property
    def learning_rate_factor(self) -> float:
        """What the method multiplies the learning rate of the batch in training by, before its update."""
        return self._method.learning_rate_factor(self._updates)

    @property
    def examples(self) -> View:
        raise InputError(
            "a method's mini-batch may be short, which single indices cannot tell: give the loader"
            " batch_sampler=sampler.mini_batches."
        )

    def state_dict(self) -> dict[str, Any]:
        """As :meth:`LearningSampler.state_dict`.

        Raises:
            InputError: a batch waits for its update, and the method's draw and update are one.
        """
        if self._method.in_turn and self._drawn:
            raise InputError(
                f"a batch of {self.method} was drawn and not updated: save the state after update, before the next"
                " batch is asked for."
            )
        return super().state_dict()

    def _built(self, size: int) -> Method:
        return registry.build(self.method, size, self.batch_size, self._seeds, options=self._chosen)

    def _draw(self, step: int) -> tuple[Tensor, Tensor | None]:
        self._apply(step)
        if no_lag(self._method) and step > self._updates:
            raise InputError(
                f"{self.method} cannot draw ahead, and the last batch was not updated: call update after every batch,"
                " or skip(), and give the loader num_workers=0."
            )
        if not self._begins_alike:
            self._method.refresh(step, forward_pass(self._evaluate, self.method, self._method.reads_logits))
        return super()._draw(step)

    def _usable(self, indices: Tensor | Sequence[int], scores: Tensor | Sequence[float]) -> tuple[Tensor, Tensor]:
        """As told, but in the order drawn, which some methods go by."""
        given, losses = super()._usable(indices, scores)
        drawn = self._ranks.share(self._drawn[0][0])
        if not torch.equal(given.sort()[0], drawn.sort()[0]):
            raise InputError(
                f"{self.method} learns from whole batches: update each once, in the order drawn, with all {len(drawn)}"
                " of its indices, or skip() it; a loader's workers keep the order with in_order=True."
            )
        order = torch.empty_like(drawn).scatter_(0, drawn.argsort(stable=True), given.argsort(stable=True))
        self._logits = self._usable_logits(len(drawn), order)
        return given[order], losses[order]

    def _usable_logits(self, count: int, order: Tensor) -> Tensor | None:
        """float32 [count, K], or None for a method that reads none."""
        if not self._method.reads_logits:
            return None
        if self._logits is None:
            raise InputError(f"{self.method} reads logits: call update(index, losses, logits=logits).")
        return checks.own_logits(self._logits, count, self.device)[order]

    def _observe(self, indices: Tensor, scores: Tensor) -> None:
        losses, logits = scores, self._no_logits
        if scores.dim() == 3:
            losses, logits = scores[..., 0], scores[..., 1:]
        if self._alike and isinstance(self._method, PersistentLoss):
            self._fill(self._method.values(logits, losses).max().view(1, 1))
        self._method.observe(indices, logits, losses)

    def _fillable(self, scores: Tensor | Sequence[float]) -> Tensor:
        if not hasattr(self._method, "fill"):
            raise InputError(f"{self.method} keeps no scores to fill in: leave fill out.")
        return super()._fillable(scores)

    def _fill(self, scores: Tensor) -> None:
        self._method.fill(scores)  # type: ignore[attr-defined]  # _fillable has looked
        self._alike = False

    def _learned(self) -> dict[str, Tensor]:
        return {f"{_OWN}{name}": tensor for name, tensor in self._method.tensors.items()}

    def _bounds(self) -> dict[str, tuple[float, float]]:
        return {f"{_OWN}{name}": bounds for name, bounds in super()._bounds().items()}

    def _flags(self) -> dict[str, bool]:
        return {"alike": self._alike}

    def _restore(self, state: dict[str, Any]) -> None:
        self._method = self._built(self.size)  # without what the other kept of its last steps
        for name, tensor in self._learned().items():
            tensor.copy_(state[name])
        self._alike = state["alike"]
