       r.status <> plait.open()
           OR (SELECT true FROM plait.running t WHERE t.run_id = r.id LIMIT 1) IS NOT NULL
           OR (SELECT true FROM plait.attempt a WHERE a.run_id = r.id LIMIT 1) IS NOT NULL AS begun
