"""A libtorrent client for the test bed. Argument: JSON (see torrent-system.ts). Prints `ready`, reads `go`, prints `done`."""

import json
import select
import sys

import libtorrent as lt

config = json.loads(sys.argv[1])
seeding = config["role"] == "origin"

settings = {
    "listen_interfaces": f"0.0.0.0:{config['port']}",
    "alert_mask": lt.alert.category_t.status_notification | lt.alert.category_t.error_notification,
    # Public discovery is off for every system.
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
}
settings.update(config["settings"])
if config["freeRider"]:
    settings.update({"upload_rate_limit": 1024, "unchoke_slots_limit": 0})
session = lt.session(settings)

params = lt.add_torrent_params()
params.ti = lt.torrent_info(config["torrent"])
params.save_path = config["folder"]
params.flags &= ~lt.torrent_flags.auto_managed
if seeding:
    if not config["checkFirst"]:
        params.flags |= lt.torrent_flags.seed_mode
    params.flags &= ~lt.torrent_flags.paused
    if config["superSeeding"]:
        params.flags |= lt.torrent_flags.super_seeding
else:
    params.flags |= lt.torrent_flags.paused
handle = session.add_torrent(params)
print("ready", flush=True)

inputs = [sys.stdin]
told = seeding
while True:
    session.wait_for_alert(20)
    for alert in session.pop_alerts():
        if isinstance(alert, lt.torrent_finished_alert) and not told:
            told = True
            print("done", flush=True)
        elif isinstance(alert, (lt.torrent_error_alert, lt.file_error_alert, lt.listen_failed_alert)):
            print("failed " + alert.message(), flush=True)
        else:
            print(alert.message(), file=sys.stderr)
    if inputs and select.select(inputs, [], [], 0)[0]:
        if sys.stdin.readline().strip() == "go":
            handle.resume()
        else:
            inputs = []
