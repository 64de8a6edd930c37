-- Seconds until the next order to cancel children is due (NULL without any), and whether some that belong to the
-- cancellation of the runs $1 were not gone through yet. Locks: none. Indexes: cancellation_due, cancellation_asked.
SELECT (SELECT extract(epoch FROM due_at - plait.now())::float8 FROM plait.cancellation ORDER BY due_at LIMIT 1) AS seconds,
       EXISTS (SELECT FROM plait.cancellation WHERE asked_id = ANY ($1::uuid[]) AND due_at = created_at) AS untouched
