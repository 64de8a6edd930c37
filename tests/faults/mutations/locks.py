"""Locks, joins, plans, and statements that are refused."""

from __future__ import annotations

from faults.mutations.mutation import Mutation

LOCKS: tuple[Mutation, ...] = ()
