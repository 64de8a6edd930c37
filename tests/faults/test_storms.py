"""Load, and harm done to it: what was acknowledged completes, no outcome is accepted twice, and a task runs again only
where its worker was disturbed."""

from __future__ import annotations

import pytest

from faults.harness.scale import pick
from faults.harness.storm import Storm
from support.proxy import Proxy
from support.role import role_with_few_connections
from support.server import OwnServer
from support.waiting import eventually
from support.workers import CALM

CHILDLESS = ("pipeline", "approval", "heavy")
"""A parent waits for its children longer than the grace, if nobody is there to run them."""


def test_workers_killed_one_after_the_other(storm: Storm) -> None:
    slots, kills = 8, pick(3, 15)
    storm.start_workers(pick(2, 4), slots=slots, work_ms=20)
    storm.start_probe()
    storm.start_client(most=pick(40, 200), meddle=0.1)
    for _ in range(kills):
        storm.wait_for_ends(pick(20, 30))
        storm.kill(storm.choose_worker())
    storm.settle()


def test_workers_told_to_stop_one_after_the_other(storm: Storm) -> None:
    storm.start_workers(pick(2, 4), work_ms=100, timings=CALM)
    storm.start_probe()
    storm.start_client(most=pick(150, 1000), kinds=CHILDLESS)
    for _ in range(pick(2, 15)):
        storm.wait_for_ends(20)
        storm.stop(storm.choose_worker())
    storm.settle()  # nothing ran again: all of it finished within the grace


def test_postgresql_crashes_again_and_again(storm: Storm, own_server: OwnServer) -> None:
    storm.database_away = True
    workers = storm.start_workers(2, work_ms=5, timings=CALM)
    storm.start_probe()
    client = storm.start_client()
    for _ in range(pick(2, 10)):
        goal = len(client.acknowledged) + 15
        storm.wait(lambda goal=goal: len(client.acknowledged) >= goal, "triggers go through")  # type: ignore[misc]
        own_server.stop(immediate=True)
        storm.note_fault()
        own_server.start()
    storm.settle()
    assert [worker.process.poll() for worker in workers] == [None, None]


def test_an_outage_longer_than_the_lease(storm: Storm, own_server: OwnServer) -> None:
    storm.database_away = True
    workers = storm.start_workers(2, work_ms=20)
    storm.start_probe()
    storm.start_client(most=60)
    storm.wait_for_ends(20)
    own_server.stop(immediate=True)
    storm.note_fault(*workers)
    eventually(lambda: all("lost its lease" in worker.read_log() for worker in workers), "both let go by themselves")
    own_server.start()
    storm.settle(max_reruns=2 * 8)


def test_connections_reset_at_once(storm: Storm, proxy: Proxy) -> None:
    url = proxy.build_url(storm.database)
    storm.start_workers(2, work_ms=5, url=url, timings=CALM)
    storm.start_probe()
    storm.start_client(url, meddle=0.05)
    for _ in range(pick(3, 20)):
        storm.wait_for_ends(15)
        storm.note_fault(faults=proxy.reset())
    storm.settle()  # nothing ran again: no lease was lost


def test_replies_lost_after_their_commit(storm: Storm, proxy: Proxy) -> None:
    url = proxy.build_url(storm.database)
    storm.start_workers(2, work_ms=5, url=url, timings=CALM)
    storm.start_probe()
    storm.start_client(url, meddle=0.05)
    for application in ("plait claims", "plait finishes", "plait heartbeat", "plait") * pick(1, 5):
        storm.wait_for_ends(10)
        proxy.lose_reply(application, 2)
        goal = len(proxy.lost) + 2
        storm.wait(lambda goal=goal: len(proxy.lost) >= goal, "replies were lost")  # type: ignore[misc]
        storm.note_fault(faults=2)
    storm.settle()


@pytest.mark.thorough
def test_connections_run_out(storm: Storm) -> None:
    """The workers' role may have none for a while, again and again."""
    with role_with_few_connections(storm.database) as role:
        workers = storm.start_workers(2, work_ms=5, url=role.url, timings=CALM)
        storm.start_probe()
        client = storm.start_client()
        for _ in range(4):
            storm.wait_for_ends(30)
            role.limit(0)
            role.disconnect()
            storm.note_fault()
            goal = len(client.acknowledged) + 30
            storm.wait(lambda goal=goal: len(client.acknowledged) >= goal, "others go on")  # type: ignore[misc]
            role.limit(-1)
        storm.settle()  # nothing ran again: results waited, and no lease was lost
        assert storm.workers == workers
        for worker in storm.workers:
            worker.close()


@pytest.mark.thorough
@pytest.mark.parametrize("harm", ["forget", "close_upstream"], ids=["forgotten by the network", "half open"])
def test_connections(storm: Storm, proxy: Proxy, harm: str) -> None:
    url = proxy.build_url(storm.database)
    workers = storm.start_workers(2, work_ms=5, url=url, timings=CALM)
    storm.start_probe()
    storm.start_client(url)
    for _ in range(3):
        storm.wait_for_ends(20)
        storm.note_fault(*workers, faults=getattr(proxy, harm)())
    storm.settle()


@pytest.mark.thorough
def test_a_partition_longer_than_the_lease(storm: Storm, proxy: Proxy) -> None:
    url = proxy.build_url(storm.database)
    workers = storm.start_workers(2, work_ms=5, url=url)
    storm.start_probe()
    storm.start_client()
    for _ in range(3):
        storm.wait_for_ends(20)
        storm.note_fault(*workers)
        proxy.freeze()
        eventually(lambda: storm.database.value("SELECT bool_or(w.ended_at IS NOT NULL) FROM plait.worker w"))
        proxy.thaw()
    storm.settle()


@pytest.mark.thorough
def test_a_slow_link_with_large_values(storm: Storm, proxy: Proxy) -> None:
    url = proxy.build_url(storm.database)
    proxy.delay, proxy.rate = 0.002, 2_000_000
    storm.start_workers(2, work_ms=5, url=url, timings=CALM)
    storm.start_probe()
    storm.note_fault()
    storm.start_client(kinds=("heavy",), most=60)
    storm.settle()


def test_workers_frozen_until_others_have_their_tasks_and_thawed(storm: Storm) -> None:
    workers = storm.start_workers(pick(2, 4), work_ms=100)
    storm.start_probe()
    for _ in range(pick(1, 4)):
        storm.start_client(most=60)
        storm.wait_for_ends(20)
        frozen = storm.chance.sample(workers, len(workers) // 2)
        ids = [worker.id for worker in frozen]
        for worker in frozen:
            worker.pause()
        storm.note_fault(*frozen, faults=len(frozen))
        # They are thawed while others have what they had, so that it is told twice.
        storm.database.wait(
            "SELECT count(*) > 0 FROM plait.running r JOIN plait.attempt a USING (run_id, task) "
            "WHERE a.worker_id = ANY (%s) AND a.status = -2",
            ids,
        )
        for worker in frozen:
            worker.resume()
    storm.settle()
