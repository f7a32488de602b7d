"""Freezes parameters by role: the roles that the caller names, and by default the routers of a mixture of experts."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from transformers import PreTrainedModel

from holdfast.models.options import Role
from holdfast.models.sites import list_sites


def frozen_roles(model: PreTrainedModel, roles: Sequence[Role], *, train_routers: bool) -> tuple[Role, ...]:
    """Returns the given roles, and the role of routers for a mixture of experts whose routers are not to be trained."""
    has_routers = any(site.role == "router" for site in list_sites(model))
    return (*roles, "router") if has_routers and not train_routers and "router" not in roles else tuple(roles)


def require_roles(model: PreTrainedModel, roles: Sequence[Role]) -> None:
    """Raises ValueError for a role that has no parameter in this model, such as a tied head without the embedding."""
    sites = list_sites(model)
    present = {site.role for site in sites} | ({"head"} if "embedding" in roles else set())
    if missing := sorted(set(roles) - present):
        known = ", ".join(sorted({site.role for site in sites}))
        tied = "; its head is the embedding, so freeze embedding" if missing[0] == "head" else ""
        raise ValueError(
            f"freeze: {type(model).__name__} has no {missing[0]} of its own to freeze; it has {known}{tied}."
        )


@contextmanager
def frozen(model: PreTrainedModel, roles: Sequence[Role]) -> Iterator[None]:
    """Freezes parameters of these roles inside the context: they need no gradient.

    A head that is tied to the embedding is frozen with it, so both roles may be given for every model.

    Raises:
        ValueError: a role has no parameter in this model, such as a tied head given without the embedding.
    """
    require_roles(model, roles)
    chosen = {site.name for site in list_sites(model) if site.role in roles}
    held = [weight for name, weight in model.named_parameters() if name in chosen and weight.requires_grad]
    try:
        for weight in held:
            weight.requires_grad_(False)
        yield
    finally:
        for weight in held:
            weight.requires_grad_(True)
