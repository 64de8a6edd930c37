-- Worker $1 stops in good order; it holds nothing any more, or what it holds is for the reaper to put back at once.
UPDATE plait.worker SET ended_at = plait.now(), ending = 'stopped' WHERE id = $1 AND ended_at IS NULL
