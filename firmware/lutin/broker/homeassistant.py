"""What Home Assistant is told, so that the device appears there by itself: one message, of less than 4 KB."""

import json

from .. import states

# Its own abbreviations are used. What is said beside the components holds for those that say nothing
# else. @ is the device's id. In a template .update would be the method of a dict.
# In pieces, for a memory in which no large one may be free.
_BODY = (
    b""""stat_t":"lutin/@/status","cmd_t":"lutin/@/command","avty":[{"t":"lutin/@/availability"}],\
"cmps":{\
"connection":{"p":"binary_sensor","name":"Connection","uniq_id":"lutin-@-connection","dev_cla":"connectivity",\
"ent_cat":"diagnostic","stat_t":"lutin/@/availability","pl_on":"online","pl_off":"offline","avty":[]},""",
    b""""restart":{"p":"button","name":"Restart","uniq_id":"lutin-@-restart","dev_cla":"restart","ent_cat":"config",\
"pl_prs":"restart","qos":1},""",
    b""""identify":{"p":"button","name":"Identify","uniq_id":"lutin-@-identify","dev_cla":"identify",\
"ent_cat":"diagnostic","pl_prs":"identify","qos":1},""",
    b""""firmware":{"p":"update","name":"Firmware","uniq_id":"lutin-@-firmware","dev_cla":"firmware","tit":"lutin",\
"ent_cat":"config","pl_inst":"update","qos":1,"l_ver_t":"lutin/@/status",\
"l_ver_tpl":"{{value_json['update'].latest or ''}}","val_tpl":"{% set u=value_json['update'] %}\
{{ {'installed_version':u.installed,'update_percentage':u.percent}|tojson}}"},""",
    b""""signal":{"p":"sensor","name":"Signal","uniq_id":"lutin-@-signal","dev_cla":"signal_strength",\
"unit_of_meas":"dBm","stat_cla":"measurement","ent_cat":"diagnostic",\
"val_tpl":"{{value_json.network.rssi}}"},""",
    b""""network":{"p":"sensor","name":"Network","uniq_id":"lutin-@-network","ent_cat":"diagnostic","ic":"mdi:wifi",\
"val_tpl":"{{value_json.network.ssid}}"},""",
    b""""address":{"p":"sensor","name":"Address","uniq_id":"lutin-@-address","ent_cat":"diagnostic",\
"ic":"mdi:ip-network","val_tpl":"{{value_json.network.address}}"},""",
    b""""failure":{"p":"sensor","name":"Last failure","uniq_id":"lutin-@-failure","ent_cat":"diagnostic",\
"ic":"mdi:alert-circle-outline","val_tpl":"{{value_json.failure.name if value_json.failure else 'none'}}",\
"json_attr_t":"lutin/@/status","json_attr_tpl":"{{(value_json.failure or {})|tojson}}"},""",
    b""""state":{"p":"sensor","name":"State","uniq_id":"lutin-@-state","dev_cla":"enum",\
"val_tpl":"{{value_json.state.name}}","json_attr_t":"lutin/@/status",\
"json_attr_tpl":"{{value_json.state|tojson}}","ops":""",
)


class Config:
    """The message: its topic, its length and its pieces, which are never in memory together."""

    def __init__(self, report, prefix="homeassistant"):
        name = "lutin-" + report["id"]
        update = report["update"]
        software = "%d (%s)" % (update["number"], update["version"]) if update["slot"] else "sources"
        device = {
            "ids": [name],
            "name": report["settings"]["name"] or name,
            "mf": "lutin",
            "mdl": report["board"],
            "sw": software,
        }
        about = json.dumps({"dev": device, "o": {"name": "lutin", "sw": software}})
        self.topic = "%s/device/%s/config" % (prefix, name)
        self._about = about[:-1].encode() + b","
        self._id = report["id"].encode()

    def __len__(self):
        length = 0
        for piece in self:
            length += len(piece)
        return length

    def __iter__(self):
        yield self._about
        for part in _BODY:
            yield part.replace(b"@", self._id)
        for number in range(states.count()):
            yield b'%s"%s"' % (b"," if number else b"[", states.name(number))
        yield b"]}}}"
