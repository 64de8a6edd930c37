-- Delete scheduled runs, unless they have started. Returns those that were deleted. Index: scheduled's key.
DELETE FROM plait.scheduled WHERE id = ANY ($1::uuid[]) AND run_id IS NULL RETURNING id
