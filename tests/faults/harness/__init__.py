"""What fault tests are made of: load, faults, a probe that watches an unrelated task, and the account of it all.

A test asks for the fixture ``storm`` (`storm.py`), gives it load, does harm, and ends with ``storm.settle()``, which
waits until every run has ended, applies the oracle (`support/oracle.py`) to the database and to the ledger that the
tasks wrote outside it, and notes the figures that ``make faults`` shows.
"""
