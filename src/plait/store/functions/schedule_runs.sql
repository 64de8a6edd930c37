-- Store scheduled runs, each once however often it is sent. Returns when the first of them was stored. Refuses (PLT01) when a version is not stored here.
CREATE OR REPLACE FUNCTION plait.schedule_runs(
    ids uuid[], version_ids integer[], run_ats timestamptz[], inputs bytea[], metadatas text[], priorities smallint[]
) RETURNS timestamptz LANGUAGE plpgsql AS $function$
DECLARE
    known integer;
    stored_at timestamptz;
BEGIN
    INSERT INTO plait.scheduled (id, workflow, version_id, run_at, input, metadata, priority)
    SELECT w.id, v.workflow, v.id, w.run_at, w.input, w.metadata::jsonb, w.priority
    FROM unnest(ids, version_ids, run_ats, inputs, metadatas, priorities)
         AS w(id, version_id, run_at, input, metadata, priority)
    CROSS JOIN LATERAL (SELECT id, workflow FROM plait.workflow_version WHERE id = w.version_id LIMIT 1) v
    ON CONFLICT (id) DO NOTHING;
    SELECT count(*), min(created_at) INTO known, stored_at FROM plait.scheduled WHERE id = ANY (ids);
    IF known < cardinality(ids) THEN
        RAISE EXCEPTION 'a workflow version that is to be run is not stored here' USING ERRCODE = 'PLT01';
    END IF;
    RETURN stored_at;
END
$function$;
