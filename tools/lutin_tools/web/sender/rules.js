// What BlinkUp can carry and what it cannot. Pure: the form's entries in, settings or reasons out.
"use strict";

(function (root) {
  const { utf8, encodeRecords, MAX_LEN } = root.LutinEncoder;

  const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
  const HIDDEN = /[\u00a0\u00ad\u200b-\u200f\u2028-\u202e\u2060\ufeff]/;
  const ASCII = /^[\x21-\x7e]*$/;
  const LONE_SURROGATE = /\p{Surrogate}/u;
  const bytesOf = (text) => utf8(text).length;
  const bytes = (count) => `${count} byte${count === 1 ? "" : "s"}`;

  function unclean(text) {
    if (LONE_SURROGATE.test(text)) return "It contains half a character, probably from a broken paste.";
    if (CONTROL.test(text)) return "It contains a control character, such as a tab.";
    return null;
  }

  // Each rule returns a reason to refuse, or null.

  function ssid(text) {
    if (text === "") return "The network’s name is missing.";
    const length = bytesOf(text);
    if (length > 32) return `At most 32 bytes; this name has ${length} (letters beyond English count 2 to 4).`;
    return unclean(text);
  }

  function password(text) {
    if (text === "") return null; // an open network
    const length = bytesOf(text);
    if (length === 64 && /^[0-9a-fA-F]{64}$/.test(text)) return null;
    if (length === 64) return "With 64 characters it must be a key of hexadecimal digits, 0–9 and a–f.";
    if (length < 8) return `At least 8 bytes; this password has ${length}.`;
    if (length > 63) return `At most 63 bytes, or 64 hexadecimal digits; this password has ${bytes(length)}.`;
    return unclean(text);
  }

  /** The address as an unsigned number, or null. */
  function quad(text) {
    if (!/^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/.test(text)) return null;
    const parts = text.split(".").map(Number);
    if (parts.some((part) => part > 255)) return null;
    return parts.reduce((sum, part) => sum * 256 + part, 0);
  }

  function host(text) {
    if (text === "") return "This address is missing.";
    const value = quad(text);
    if (/(^|\.)0\d/.test(text)) return "Write the numbers without zeros in front: some programs read those as octal.";
    if (value === null) return "Four numbers from 0 to 255 with dots between them, such as 192.168.1.20.";
    const first = value >>> 24;
    if (first === 0 || first === 127 || first >= 224) return "No device can have this address.";
    return null;
  }

  function netmask(text) {
    if (text === "") return "The netmask is missing.";
    const value = quad(text);
    if (value === null) return "Four numbers with dots between them, such as 255.255.255.0.";
    const inverse = ~value >>> 0;
    if (inverse & (inverse + 1)) return "A netmask is ones followed by zeros, such as 255.255.255.0.";
    if (inverse < 3) return "This netmask leaves no room for a device and a gateway.";
    if (inverse > 0xffffff) return "This netmask is wider than any network; it begins with 255.";
    return null;
  }

  /** For an address that is well formed under a netmask that is. */
  function within(text, mask) {
    const rest = (quad(text) & ~quad(mask)) >>> 0;
    if (rest === 0) return "This is the name of the network itself, not of a device in it.";
    if (rest === ~quad(mask) >>> 0) return "This is the network’s broadcast address.";
    return null;
  }

  function gateway(text, address, mask) {
    if ((quad(text) & quad(mask)) !== (quad(address) & quad(mask))) {
      return "The gateway is outside the device’s network, as address and netmask say it.";
    }
    if (text === address) return "The gateway cannot have the device’s own address.";
    return within(text, mask);
  }

  function url(text, schemes) {
    if (text === "") return null;
    const [, scheme, rest] = /^([a-z]+):\/\/(.*)$/is.exec(text) || [];
    if (!schemes.includes((scheme || "").toLowerCase())) {
      return `It must begin with ${schemes.map((name) => `${name}://`).join(" or ")}.`;
    }
    const reason = unclean(text);
    if (reason) return reason;
    if (/\s/.test(text)) return "It must not contain spaces.";
    const [authority, path] = /^([^/?#]*)(.*)$/.exec(rest).slice(1);
    if (authority === "") return "The server’s name is missing.";
    let parsed;
    try {
      parsed = new URL(`http://${rest}`);
    } catch {
      return "This is not a complete address: check the server’s name and port.";
    }
    if (!ASCII.test(authority)) return `Write the server’s name in its ASCII form: ${parsed.hostname}.`;
    if (!ASCII.test(rest)) return "Write letters beyond English as % and two digits, as a browser copies them.";
    if (path.includes("@")) return "An @ after the server’s name must be written as %40.";
    const server = authority.slice(authority.lastIndexOf("@") + 1);
    if (server.startsWith("[")) return "The device speaks IPv4 only: give a name or an IPv4 address.";
    if (!/^[-._]*[a-z\d][-._a-z\d]*(:\d*)?$/i.test(server)) return "The server’s name has letters, digits, dots and hyphens only.";
    if (/:0*$/.test(server)) return "The port is missing, or is 0.";
    if (bytesOf(text) > MAX_LEN) return `At most ${MAX_LEN} bytes; this address has ${bytesOf(text)}.`;
    return null;
  }

  function name(text) {
    const length = bytesOf(text);
    if (length > 32) return `At most 32 bytes; this name has ${length} (letters beyond English count 2 to 4).`;
    return unclean(text);
  }

  function proxyServer(text) {
    if (text === "") return "The proxy’s server is missing.";
    if (/:\/\//.test(text)) return "The server’s name alone, without http:// in front.";
    if (text.includes(":")) return "The server’s name alone; its port has a field of its own.";
    if (!/^[-._]*[a-z\d][-._a-z\d]*$/i.test(text)) return "A server’s name has letters, digits, dots and hyphens only.";
    return text.length > 128 ? `At most 128 bytes; this name has ${text.length}.` : null;
  }

  function proxyPort(text) {
    if (text === "") return "The proxy’s port is missing.";
    if (!/^\d{1,5}$/.test(text) || Number(text) < 1 || Number(text) > 65535) return "A number from 1 to 65535.";
    return null;
  }

  function doubts(text, what) {
    if (text === "") return null;
    if (/^\s|\s$/.test(text)) return `This ${what} begins or ends with a space. It is sent as it stands.`;
    if (HIDDEN.test(text)) return `This ${what} contains an invisible character. It is sent as it stands.`;
    return null;
  }

  function checkNetwork(form, settings, errors, warnings) {
    note(errors, "ssid", ssid(form.ssid));
    note(errors, "password", password(form.password));
    note(warnings, "ssid", doubts(form.ssid, "name"));
    note(warnings, "password", doubts(form.password, "password"));
    Object.assign(settings, { ssid: form.ssid, password: form.password, add: form.add });
    if (form.fixed) settings.static = checkStatic(form, errors);
    const proxy = ["proxyServer", "proxyPort", "proxyUser", "proxyPassword"].map((key) => form[key]);
    if (proxy.some((text) => text !== "")) settings.proxy = checkProxy(...proxy, errors);
  }

  function checkStatic(form, errors) {
    for (const key of ["address", "gateway", "dns1"]) note(errors, key, host(form[key]));
    if (form.dns2 !== "") note(errors, "dns2", host(form.dns2));
    note(errors, "netmask", netmask(form.netmask));
    if (!errors.netmask && !errors.address) {
      note(errors, "address", within(form.address, form.netmask));
      if (!errors.gateway) note(errors, "gateway", gateway(form.gateway, form.address, form.netmask));
    }
    const quads = [form.address, form.netmask, form.gateway, form.dns1];
    return form.dns2 === "" ? quads : [...quads, form.dns2];
  }

  function checkProxy(server, port, user, secret, errors) {
    note(errors, "proxyServer", proxyServer(server));
    note(errors, "proxyPort", proxyPort(port));
    note(errors, "proxyUser", secret !== "" && user === "" ? "A password needs a user." : unclean(user));
    note(errors, "proxyPassword", unclean(secret));
    for (const [key, text] of [["proxyUser", user], ["proxyPassword", secret]]) {
      if (bytesOf(text) > 64) note(errors, key, `At most 64 bytes; this has ${bytesOf(text)}.`);
    }
    return { server, port: Number(port), user, password: secret };
  }

  function checkDevice(form, settings, errors) {
    note(errors, "server", url(form.server, ["http", "https"]));
    note(errors, "broker", url(form.broker, ["mqtt", "mqtts"]));
    note(errors, "name", name(form.name));
    for (const key of ["server", "broker", "name"]) settings[key] = form[key];
  }

  function note(list, key, reason) {
    if (reason && !(key in list)) list[key] = reason;
  }

  // Everything fits on its own but not together: said at the longest entry, where most can be saved.
  function checkTotal(form, settings, errors) {
    const keys = ["server", "broker", "name"];
    if (settings.ssid) keys.push("ssid", "password");
    if (settings.proxy) keys.push("proxyServer", "proxyUser", "proxyPassword");
    let length;
    try {
      length = encodeRecords(settings).length;
    } catch {
      length = keys.reduce((sum, key) => sum + bytesOf(form[key]), 0); // one entry alone is too long
    }
    if (length <= MAX_LEN) return length;
    const longest = keys.reduce((a, b) => (bytesOf(form[b]) > bytesOf(form[a]) ? b : a));
    errors[longest] = `All entries together take ${length} bytes, and one transmission carries ${MAX_LEN}. ` +
      "This is the longest of them.";
    return length;
  }

  /**
   * form: {mode: "network" | "device" | "clear", ssid, password, add, fixed, address, netmask,
   * gateway, dns1, dns2, proxyServer, proxyPort, proxyUser, proxyPassword, server, broker, name}.
   * Returns {settings, errors, warnings}; errors and warnings are sentences by field. Settings may be
   * sent only if there are no errors.
   */
  function check(form) {
    const errors = {};
    const warnings = {};
    if (form.mode === "clear") return { settings: { clear: true }, errors, warnings };
    const settings = {};
    if (form.mode === "network") checkNetwork(form, settings, errors, warnings);
    checkDevice(form, settings, errors);
    if (form.mode === "device" && !form.server && !form.broker && !form.name) {
      errors.server = "There is nothing to send: fill in at least one of these three.";
    }
    if (Object.keys(errors).length === 0) checkTotal(form, settings, errors);
    return { settings, errors, warnings };
  }

  root.LutinRules = Object.freeze({ check });
})(globalThis);
