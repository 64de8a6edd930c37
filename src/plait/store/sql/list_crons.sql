-- A page of at most $5 crons by workflow and name, behind the cron $4. $1 workflow, $2 name, $3 metadata, NULL for any.
-- Index: (workflow, name), behind the cron before; filters read on until the page is full.
SELECT c.id, c.workflow, c.name, c.expression, c.timezone, c.catch_up, c.bound_us, c.input, c.metadata::text AS metadata,
       c.priority, c.declared, c.paused, c.next_at, c.last_at, c.created_at
FROM plait.cron c
LEFT JOIN plait.cron before ON before.id = $4
WHERE ($4::uuid IS NULL OR (c.workflow, c.name) > (before.workflow, before.name))
  AND ($1::text IS NULL OR c.workflow = $1)
  AND ($2::text IS NULL OR c.name = $2)
  AND ($3::text IS NULL OR c.metadata @> $3::text::jsonb)
ORDER BY c.workflow, c.name
LIMIT $5
