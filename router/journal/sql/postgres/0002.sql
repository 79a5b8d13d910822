-- A provider may send a longer branch or project than a key of an index can hold: keys are their beginnings.

-- Whoever reads for long, as a backup does, is not waited for at everybody's cost; the next opening tries again.
SET LOCAL lock_timeout = '2s';

-- One that an operator dropped stays so, as one that a move makes at its end.
DO $$
DECLARE
  field text;
BEGIN
  FOREACH field IN ARRAY ARRAY['branch', 'project'] LOOP
    IF to_regclass('events_' || field) IS NOT NULL THEN
      EXECUTE format('DROP INDEX events_%s', field);
      EXECUTE format('CREATE INDEX events_%1$s ON events (left(%1$s, 500), id) WHERE %1$s IS NOT NULL', field);
    END IF;
  END LOOP;
END $$;

UPDATE moving SET later = ARRAY(
  SELECT regexp_replace(definition, '\((branch|project), id\)', '("left"(\1, 500), id)')
  FROM unnest(later) WITH ORDINALITY AS every(definition, place) ORDER BY place);
