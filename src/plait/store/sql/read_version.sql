-- A workflow version by id: its definition and its tasks' action ids.
SELECT id, workflow, definition, actions, schedules_us FROM plait.workflow_version WHERE id = $1
