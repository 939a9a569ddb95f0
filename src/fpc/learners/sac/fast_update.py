"""The gradients of :meth:`Updater.differentiate` by hand-written forward and backward passes, on a CPU.

Against autograd this saves allocations, the bookkeeping of a graph and gradients that nobody uses.
Tests compare every gradient, and whole runs, with the plain update's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fpc.learners.sac.networks import CRITICS, Actor, Critics, stage_of
from fpc.learners.sac.options import SACOptions
from fpc.learners.sac.replay_buffer import Batch
from fpc.learners.sac.update import Parameters, Updater, squashed_sample, target_values
from fpc.retention.interface import RetentionBatch

leaky_relu_backward = torch.ops.aten.leaky_relu_backward.grad_input
tanh_backward = torch.ops.aten.tanh_backward.grad_input
native_layer_norm = torch.ops.aten.native_layer_norm.default
native_layer_norm_backward = torch.ops.aten.native_layer_norm_backward.default


class FastUpdater(Updater):
    """Parameters, gradients and moments are one vector a network, of which the layers are views."""

    def _parameters(self) -> Parameters:
        if self.device.type != "cpu":
            raise ValueError(
                f"implementation: fast runs on the CPU only and the networks are on {self.device}; "
                "set implementation: plain"
            )
        actor, critics = self.actor, self.critics
        actor_parameters, critic_parameters = dict(actor.named_parameters()), critics.network_parameters()
        self.actor_flat, self.critics_flat = flatten(actor_parameters), flatten(critic_parameters)
        targets_flat = flatten(self.targets.network_parameters())
        critics.requires_grad_(False)
        self.actor_grad = give_grads(self.actor_flat, actor_parameters)
        self.critics_flat.grad = give_grads(self.critics_flat, critic_parameters)
        self.actor_layers = actor_layers(actor, self.actor_flat)
        self.actor_grads = actor_layers(actor, self.actor_grad)
        self.critic_layers = critic_layers(critics, self.critics_flat)
        self.critic_grads = critic_layers(critics, self.critics_flat.grad)
        self.target_layers = critic_layers(self.targets, targets_flat)
        self.actor_passes = ActorPasses(actor, self.actor_layers)
        self.critic_passes = Passes(self.options, CRITICS)
        self.student = FlatActor(actor, self.actor_layers, self.actor_flat)
        return Parameters([self.actor_flat], [self.critics_flat], [targets_flat])

    @torch.no_grad()
    def differentiate(self, batch: Batch, move_actor: bool) -> None:
        """See :meth:`Updater.differentiate`; actions at both observations are sampled together."""
        actor, critics, count = self.actor, self.critics, len(batch.rewards)
        both = torch.cat((batch.observations, batch.next_observations))
        stages = stage_of(both, actor.stages)
        outputs = self.actor_passes.forward(both, stages)
        noise = self._noise(2 * count)
        actions, log_probs = squashed_sample(outputs, noise)
        temperature = critics.log_temperature.exp()[stages]
        stage, next_stage = stages[:count], stages[count:]

        next_values = self._values(self.target_layers, both[count:], actions[count:], next_stage)
        rewards, ends, discount = batch.rewards, batch.terminals, self.options.discount
        wanted = target_values(rewards, ends, next_values, log_probs[count:], temperature[count:], discount)
        error = self._values(self.critic_layers, batch.observations, batch.actions, stage) - wanted
        heads = torch.zeros(CRITICS, count, critics.stages)
        heads.scatter_(-1, stage.expand(CRITICS, -1).unsqueeze(-1), (error / count).unsqueeze(-1))
        self.critic_passes.backward(self.critic_layers, self.critic_grads, heads)
        self.losses = {"critic_loss": 0.5 * error.square().mean(-1).sum()}
        self.actor_flat.grad = critics.log_temperature.grad = None
        if not move_actor:
            return

        outputs, noise, actions, log_probs, temperature = (
            part[:count] for part in (outputs, noise, actions, log_probs, temperature)
        )
        values, choice = self._values(self.critic_layers, batch.observations, actions, stage).min(0)
        self.losses["actor_loss"] = (temperature * log_probs - values).mean()
        action_grad = self.critic_passes.action_grad(self.critic_layers, choice, stage, actor.action_size)
        grad = output_grad(outputs, noise, actions, action_grad.div_(-count), temperature[:, None] / count)
        self._differentiate_actor(batch.observations, outputs, grad)
        self.actor_flat.grad = self.actor_grad
        shortfall = (log_probs + self.options.target_entropy) / -count
        critics.log_temperature.grad = torch.zeros(critics.stages).index_add_(0, stage, shortfall)

    def _values(self, layers: Layers, observations: Tensor, actions: Tensor, stage: Tensor) -> Tensor:
        """Values ``[2, N]`` of actions ``[N, A]`` at observations ``[N, D]``."""
        inputs = torch.cat((observations[:, : self.critics.trunk_input], actions), -1)
        heads = self.critic_passes.forward(layers, inputs)
        return heads.gather(-1, stage.expand(CRITICS, -1).unsqueeze(-1)).squeeze(-1)

    def _differentiate_actor(self, observations: Tensor, outputs: Tensor, grad: Tensor) -> None:
        """Write the actor's gradient from ``grad`` by its outputs, with the retention term's added.

        The graph of the outputs given to the method ends at them: their gradient joins the actor loss's,
        and the one backward pass of the actor serves both.
        """
        parameters = list(self.actor.parameters())
        through_outputs: Tensor | None = None
        others: Sequence[Tensor | None] = ()
        with torch.enable_grad():
            leaf = outputs.detach().requires_grad_()
            penalty = self._penalty(RetentionBatch(self.student, observations, leaf, self.updates))
            if penalty is not None:
                inputs = [leaf, self.student.flat, *parameters]
                through_outputs, *others = torch.autograd.grad(penalty, inputs, allow_unused=True)
        if through_outputs is not None:
            grad += through_outputs
        self.actor_passes.backward(self.actor_grads, grad)
        for own, addition in zip((self.actor_grad, *(p.grad for p in parameters)), others, strict=False):
            if own is not None and addition is not None:
                own += addition


def output_grad(
    outputs: Tensor, noise: Tensor, actions: Tensor, action_grad: Tensor, log_prob_grad: Tensor
) -> Tensor:
    """Gradient ``[N, 2A]`` by ``outputs``, from those by actions ``[N, A]`` and log probabilities ``[N, 1]``.

    With u before tanh: d a/du = 1 - a^2 and d log pi/du = 2a; u = mean + std noise; log pi has -log_std.
    """
    mean_grad = torch.addcmul(action_grad, actions, 2 * log_prob_grad - action_grad * actions)
    deviation = outputs.chunk(2, -1)[1].exp() * noise
    return torch.cat((mean_grad, mean_grad * deviation - log_prob_grad), -1)


@dataclass(frozen=True)
class Layers:
    """E networks of one shape: views of their parameters, or of their gradients, in one vector.

    The last weight ``[E, in, out]`` and bias ``[E, 1, out]`` are the heads of all stages side by side.
    """

    weights: list[Tensor]
    biases: list[Tensor]
    norm: tuple[Tensor, Tensor] | None  # LayerNorm's weight and bias


def flatten(parameters: Mapping[str, nn.Parameter]) -> Tensor:
    """One vector that ``parameters`` become views of, so that Adam and the average are one operation each."""
    flat = torch.cat([parameter.detach().flatten() for parameter in parameters.values()])
    for name, view in views(flat, parameters).items():
        parameters[name].data = view
    return flat


def give_grads(flat: Tensor, parameters: Mapping[str, nn.Parameter]) -> Tensor:
    """A gradient for ``flat``, which the gradients of ``parameters`` become views of."""
    grad = torch.zeros_like(flat)
    for name, view in views(grad, parameters).items():
        parameters[name].grad = view
    return grad


def views(flat: Tensor, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parts of ``flat`` in the shapes of ``parameters``."""
    parts = torch.split(flat, [parameter.numel() for parameter in parameters.values()])
    return {name: part.view_as(parameters[name]) for name, part in zip(parameters, parts, strict=True)}


def critic_layers(critics: Critics, flat: Tensor) -> Layers:
    """Layers of both critics in a vector of all their parameters or gradients."""
    part, hidden = views(flat, critics.network_parameters()), range(len(critics.weights))
    return Layers(
        [*(part[f"weights.{layer}"] for layer in hidden), part["head_weight"]],
        [*(part[f"biases.{layer}"] for layer in hidden), part["head_bias"]],
        (part["norm_weight"], part["norm_bias"]) if critics.layer_norm else None,
    )


def actor_layers(actor: Actor, flat: Tensor) -> Layers:
    """The same of the actor, as the only one of its shape."""
    part, hidden = views(flat, dict(actor.named_parameters())), range(len(actor.linears()))
    weights = [*(part[f"trunk.{layer}.weight"] for layer in hidden), part["head_weight"].flatten(0, 1)]
    biases = [*(part[f"trunk.{layer}.bias"] for layer in hidden), part["head_bias"]]
    norm = None if actor.layer_norm is None else (part["layer_norm.weight"], part["layer_norm.bias"])
    return Layers(
        [weight.T.unsqueeze(0) for weight in weights],
        [bias.view(1, 1, -1) for bias in biases],
        norm and (norm[0].view(1, 1, -1), norm[1].view(1, 1, -1)),
    )


class Passes:
    """Forward and backward passes in memory that is used again; a backward belongs to the newest forward."""

    def __init__(self, options: SACOptions, networks: int) -> None:
        self.networks, self.epsilon, self.sizes = networks, options.layer_norm_epsilon, options.hidden_sizes
        slope = {"tanh": None, "relu": 0.0, "leaky_relu": options.leaky_relu_slope}[options.activation]
        self.slopes: list[float | None] = [slope] * len(self.sizes)  # below zero; None is tanh
        if options.layer_norm and options.layer_norm_activation == "tanh":
            self.slopes[0] = None
        self.rows = 0

    def forward(self, layers: Layers, inputs: Tensor) -> Tensor:
        """What every head gives, ``[E, N, outputs]``, for inputs ``[N, in]`` shared by all networks."""
        if len(inputs) != self.rows:
            self.rows = len(inputs)
            self.hidden = [torch.empty(self.networks, self.rows, size) for size in self.sizes]
            self.grads = [torch.empty_like(hidden) for hidden in self.hidden]
            self.linear = torch.empty_like(self.hidden[0])  # what LayerNorm is given
        self.inputs = below = inputs.expand(self.networks, *inputs.shape)
        for layer, (hidden, slope) in enumerate(zip(self.hidden, self.slopes, strict=True)):
            norm = None if layer else layers.norm
            linear = hidden if norm is None else self.linear
            torch.baddbmm(layers.biases[layer], below, layers.weights[layer], out=linear)
            if norm is not None:
                normal = native_layer_norm(linear, linear.shape[-1:], None, None, self.epsilon)
                self.normalised, self.mean, self.inverse_std = normal
                torch.addcmul(norm[1], self.normalised, norm[0], out=hidden)
            if slope is None:
                hidden.tanh_()
            else:
                nn.functional.leaky_relu_(hidden, slope)
            below = hidden
        return torch.baddbmm(layers.biases[-1], below, layers.weights[-1])

    def backward(self, layers: Layers, grads: Layers, grad: Tensor) -> None:
        """Write all ``grads``, given the loss's gradient ``[E, n, outputs]`` by what every head gives.

        It covers the first n rows of the forward pass; the others are taken not to matter.
        """
        rows = grad.shape[1]
        for layer in reversed(range(len(layers.weights))):
            if layer < len(self.hidden):
                self._through_activation(layer, self.hidden[layer][:, :rows], grad)
                if layer == 0 and layers.norm is not None and grads.norm is not None:
                    torch.sum(grad * self.normalised[:, :rows], 1, keepdim=True, out=grads.norm[0])
                    torch.sum(grad, 1, keepdim=True, out=grads.norm[1])
                    parts = (part[:, :rows] for part in (self.linear, self.mean, self.inverse_std))
                    grad = norm_input_grad(grad.mul_(layers.norm[0]), *parts)
            below = self.hidden[layer - 1][:, :rows] if layer else self.inputs[:, :rows]
            weight_grad = grads.weights[layer]
            if weight_grad.is_contiguous():
                torch.bmm(below.mT, grad, out=weight_grad)
            else:  # a view of an nn.Linear's [out, in]
                torch.bmm(grad.mT, below, out=weight_grad.mT)
            torch.sum(grad, 1, keepdim=True, out=grads.biases[layer])
            if layer:
                grad = torch.bmm(grad, layers.weights[layer].mT, out=self.grads[layer - 1][:, :rows])

    def action_grad(self, layers: Layers, choice: Tensor, stage: Tensor, size: int) -> Tensor:
        """Gradient ``[N, size]`` of the chosen values by the last ``size`` inputs, the actions.

        ``choice`` int64 ``[N]`` names the network whose value counts in each row, ``stage`` the head:
        a row's gradient passes through that network alone, half the work of passing through both.
        """
        found = torch.empty(self.rows, size)
        for network in range(self.networks):
            rows = (choice == network).nonzero().squeeze(-1)
            if len(rows):
                weights = [weight[network].T for weight in layers.weights]
                norm_weight = None if layers.norm is None else layers.norm[0][network]
                grad = weights[-1].index_select(0, stage.index_select(0, rows))
                grad = self._through_rows(weights, norm_weight, network, rows, grad)
                found.index_copy_(0, rows, torch.mm(grad, weights[0][:, -size:]))
        return found

    def _through_rows(
        self, weights: list[Tensor], norm_weight: Tensor | None, network: int, rows: Tensor, grad: Tensor
    ) -> Tensor:
        """From the gradient by one network's last layer, in some rows, to that by its first linear part."""
        for layer in reversed(range(len(self.hidden))):
            self._through_activation(layer, self.hidden[layer][network].index_select(0, rows), grad)
            if layer:
                grad = torch.mm(grad, weights[layer])
        if norm_weight is None:
            return grad
        parts = (part[network].index_select(0, rows) for part in (self.linear, self.mean, self.inverse_std))
        return norm_input_grad(grad.mul_(norm_weight), *parts)

    def _through_activation(self, layer: int, hidden: Tensor, grad: Tensor) -> None:
        """From the gradient by a layer's output to that by its activation's input, in place."""
        slope = self.slopes[layer]
        if slope is None:
            tanh_backward(grad, hidden, grad_input=grad)
        else:
            leaky_relu_backward(grad, hidden, slope, True, grad_input=grad)


def norm_input_grad(grad: Tensor, linear: Tensor, mean: Tensor, inverse_std: Tensor) -> Tensor:
    """Through a normalisation without weight and bias."""
    shape, mask = grad.shape[-1:], [True, False, False]
    found: Tensor = native_layer_norm_backward(grad, linear, shape, mean, inverse_std, None, None, mask)[0]
    return found


class ActorPasses:
    """The actor's outputs and their gradient; a backward pass belongs to the newest forward pass."""

    def __init__(self, actor: Actor, layers: Layers) -> None:
        self.actor, self.layers, self.passes = actor, layers, Passes(actor.options, 1)

    def forward(self, observations: Tensor, stage: Tensor) -> Tensor:
        """Outputs ``[N, 2A]`` at observations ``[N, D]`` of stages int64 ``[N]``."""
        actor = self.actor
        self.heads = torch.arange(0, len(stage) * actor.stages, actor.stages).add_(stage)
        heads = self.passes.forward(self.layers, observations[:, : actor.trunk_input])
        outputs = heads.view(-1, 2 * actor.action_size).index_select(0, self.heads)
        log_std = outputs[:, actor.action_size :]
        low, high = actor.options.log_std_bounds
        self.inside = (log_std >= low).logical_and_(log_std <= high)
        log_std.clamp_(low, high)
        return outputs

    def backward(self, grads: Layers, grad: Tensor) -> None:
        """Write ``grads`` from the gradient ``[n, 2A]`` by the first n outputs; changes ``grad``."""
        actor, count = self.actor, len(grad)
        grad[:, actor.action_size :] *= self.inside[:count]
        heads = torch.zeros(count * actor.stages, 2 * actor.action_size)
        heads.index_copy_(0, self.heads[:count], grad)
        self.passes.backward(self.layers, grads, heads.view(1, count, -1))


class FlatActor:
    """The actor as retention methods see it: its outputs depend on one leaf, ``flat``, all its parameters."""

    def __init__(self, actor: Actor, layers: Layers, flat: Tensor) -> None:
        self.actor, self.layers, self.flat = actor, layers, flat.detach().requires_grad_()
        self.distribution, self.information = actor.distribution, actor.information
        self.anchored_parameters = actor.anchored_parameters
        self.grad = torch.zeros_like(flat)
        self.grads = actor_layers(actor, self.grad)
        self.idle: list[ActorPasses] = []  # those whose results no graph is waiting for

    def outputs(self, observations: Tensor) -> Tensor:
        """See :meth:`Actor.outputs`; observations are ``[N, D]``."""
        found: Tensor = _FlatActorOutputs.apply(self.flat, observations, self)  # type: ignore[no-untyped-call]
        return found


class _FlatActorOutputs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, flat: Tensor, observations: Tensor, student: FlatActor) -> Tensor:
        ctx.student = student
        ctx.passes = student.idle.pop() if student.idle else ActorPasses(student.actor, student.layers)
        outputs: Tensor = ctx.passes.forward(observations, stage_of(observations, student.actor.stages))
        return outputs

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        ctx.passes.backward(ctx.student.grads, grads[0].clone())
        ctx.student.idle.append(ctx.passes)
        return ctx.student.grad.clone(), None, None
