"""What PostgreSQL knows of Plait's schema, to compare two databases by."""

from __future__ import annotations

from support.database import Database

_MADE_OF = {
    "schema": "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'plait%%'",
    "relation": """
        SELECT relname, relkind::text, relpersistence::text, reloptions::text
        FROM pg_class WHERE relnamespace = 'plait'::regnamespace""",
    "column": """
        SELECT c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity::text,
               a.attstorage::text, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'plait'::regnamespace AND a.attnum > 0""",
    "index": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'plait'",
    "constraint": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated
        FROM pg_constraint WHERE connamespace = 'plait'::regnamespace""",
    "trigger": """
        SELECT tgrelid::regclass::text, pg_get_triggerdef(t.oid)
        FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE c.relnamespace = 'plait'::regnamespace""",
    "function": """
        SELECT oid::regprocedure::text, pg_get_functiondef(oid)
        FROM pg_proc WHERE pronamespace = 'plait'::regnamespace""",
    "view": "SELECT viewname, definition FROM pg_views WHERE schemaname = 'plait'",
    "sequence": """
        SELECT sequencename, data_type::text, start_value, increment_by
        FROM pg_sequences WHERE schemaname = 'plait'""",
    "type": """
        SELECT typname, typtype::text, (SELECT array_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum e
                                        WHERE e.enumtypid = t.oid)::text
        FROM pg_type t WHERE typnamespace = 'plait'::regnamespace""",
    "comment": """
        SELECT i.type, i.identity, d.description
        FROM pg_description d CROSS JOIN pg_identify_object(d.classoid, d.objoid, d.objsubid) i
        WHERE i.schema = 'plait' OR i.identity = 'plait'""",
    "privilege": """
        SELECT oid::regclass::text, relacl::text FROM pg_class
        WHERE relnamespace = 'plait'::regnamespace AND relacl IS NOT NULL""",
    "migration": "SELECT version, name, works_with FROM plait.migration",
}


def read_catalog(database: Database) -> set[tuple[object, ...]]:
    """Everything in the schema, each as a row that begins with its kind."""
    return {(kind, *row) for kind, sql in _MADE_OF.items() for row in database.query(sql)}


def say_difference(one: Database, other: Database) -> list[str]:
    """What only one of the two has, in words; nothing when they are the same."""
    first, second = read_catalog(one), read_catalog(other)
    sides = (("only in the first", first - second), ("only in the second", second - first))
    return [f"{side}: {row}" for side, rows in sides for row in sorted(rows, key=str)]
