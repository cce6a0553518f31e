"""What a worker weighs after it has served few tenants and many, each a partner with a host and a brand of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from benchmarks.measure import Section, Series
from benchmarks.site import ROOT
from benchmarks.start import ask
from ringstead.db.embedded import EmbeddedPostgres

SERVED = (10, 1_000, 4_000, 9_900)
# Somebody who is signed in to one organization of each partner; `directory` made those.
_FILL = """
SET session_replication_role = replica;
UPDATE partner SET brand = jsonb_build_object('name', name, 'color', '#' || left(md5(slug), 6));
INSERT INTO subscriber (org_id, id, partner_id, name, extension)
    SELECT lpad(to_hex(200000 + n), 32, '0')::uuid, lpad(to_hex(3000000 + n), 32, '0')::uuid,
           lpad(to_hex(1 + n), 32, '0')::uuid, 'Juno Birdsong', '999999'
    FROM generate_series(1, %(tenants)s) n;
INSERT INTO account (id, partner_id, email, name)
    SELECT lpad(to_hex(4000000 + n), 32, '0')::uuid, lpad(to_hex(1 + n), 32, '0')::uuid,
           'juno@example.com', 'Juno Birdsong'
    FROM generate_series(1, %(tenants)s) n;
INSERT INTO membership (id, partner_id, org_id, account_id, subscriber_id, role)
    SELECT lpad(to_hex(5000000 + n), 32, '0')::uuid, lpad(to_hex(1 + n), 32, '0')::uuid,
           lpad(to_hex(200000 + n), 32, '0')::uuid, lpad(to_hex(4000000 + n), 32, '0')::uuid,
           lpad(to_hex(3000000 + n), 32, '0')::uuid, 'subscriber'
    FROM generate_series(1, %(tenants)s) n;
INSERT INTO web_session (id, partner_id, token_hash, account_id, org_id, membership_id, site, csrf_token, address,
                         user_agent, expires_at)
    SELECT lpad(to_hex(6000000 + n), 32, '0')::uuid, lpad(to_hex(1 + n), 32, '0')::uuid,
           sha256(convert_to('tenant' || n, 'UTF8')), lpad(to_hex(4000000 + n), 32, '0')::uuid,
           lpad(to_hex(200000 + n), 32, '0')::uuid, lpad(to_hex(5000000 + n), 32, '0')::uuid, 'portal', 'x', '', '',
           now() + interval '1 day'
    FROM generate_series(1, %(tenants)s) n;
INSERT INTO organization_feature (org_id, plugin, enabled)
    SELECT lpad(to_hex(200000 + n), 32, '0')::uuid, plugin, true
    FROM generate_series(1, %(tenants)s) n, unnest(ARRAY['calllogs', 'voicemail']) plugin;
ANALYZE
"""


def measure(
    server: EmbeddedPostgres, database: str, environment: Mapping[str, str], section: Section
) -> None:
    """Open the landing pages of one tenant after another in one worker; weigh it on the way."""
    with server.connect(database) as connection:
        for statement in _FILL.split(";\n"):
            connection.execute(statement.replace("%(tenants)s", str(SERVED[-1])))
    command = [sys.executable, "-m", "benchmarks.growth", *map(str, SERVED)]
    done = subprocess.run(
        command, env=dict(environment), cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    weights: list[float] = json.loads(done.stdout)
    many, most = f"{SERVED[-2]:,}", f"{SERVED[-1]:,}"
    section.at_most(f"memory after {most} tenants against {many}", Series((weights[-1] / weights[-2],)), 1.05)
    section.table(
        ["RSS, MB", *(f"{count:,} tenants" for count in SERVED)],
        [["a worker", *(f"{weight:.0f}" for weight in weights)]],
    )
    section.text.append(
        "*tenants*: the landing page of somebody signed in to an organization of another partner each time, on that "
        "partner's host and in its brand, in one process. What a process remembers is bounded in bytes."
    )


def _worker(served: Sequence[int]) -> None:
    import psutil

    from ringstead.serving import build_app

    app, weights, done = build_app(), [], 0
    for count in served:
        for number in range(done + 1, count + 1):
            ask(app, "/", f"voice.h{number}.test", f"sid=tenant{number}")
        done = count
        weights.append(psutil.Process().memory_info().rss / 1e6)
    print(json.dumps(weights), flush=True)
    os._exit(0)  # its threads need not end in order


if __name__ == "__main__":
    _worker([int(word) for word in sys.argv[1:]])
