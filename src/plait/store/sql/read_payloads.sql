-- Payloads of the events $1. Index: event's key.
SELECT id, key, payload FROM plait.event WHERE id = ANY ($1::uuid[])
