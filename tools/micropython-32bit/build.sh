#!/usr/bin/env bash
# Builds MicroPython's unix port as an ESP32 sees numbers and objects: 32 bits, single floats. From Debian's
# source package, by apt, without root and without touching the system's own lists. The result is
# .cache/micropython-32bit/micropython.
#
# One thing is added: the interpreter counts the bytecodes that it executes (modules/bytecodes).
set -euo pipefail

version="1.25.0+ds"
sum="7b25be99a502f070b2de81dafc08da7051d992325d6e67daa9045a918fffdbea"
mirror="${DEBIAN_MIRROR:-http://deb.debian.org/debian}"

here="$(cd "$(dirname "$0")" && pwd)"
cache="$here/../../.cache/micropython-32bit"
mkdir -p "$cache"
cache="$(cd "$cache" && pwd)"
archive="micropython_$version.orig.tar.xz"

missing() { echo "micropython-32bit: $1" >&2; exit 1; }

echo 'int main(void) { return 0; }' > "$cache/probe.c"
"${CC:-gcc}" -m32 -o "$cache/probe" "$cache/probe.c" 2>/dev/null ||
  missing "no compiler for 32 bits. On Debian: apt install gcc-multilib"

cd "$cache"
if [ ! -f "$archive" ]; then
  command -v apt-get >/dev/null || missing "needs apt-get; or put $archive of Debian's micropython into $cache"
  mkdir -p apt/lists/partial apt/archives/partial apt/parts
  keys=/usr/share/keyrings/debian-archive-keyring.gpg
  # Without Debian's keys the sum below is what tells a right archive from a wrong one.
  trust=$([ -f "$keys" ] && echo "Signed-By: $keys" || echo "Trusted: yes")
  printf 'Types: deb-src\nURIs: %s\nSuites: trixie\nComponents: main\n%s\n' "$mirror" "$trust" > apt/parts/trixie.sources
  options=(-qq -o "APT::Sandbox::User=root" -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$cache/apt/parts"
    -o "Dir::State::lists=$cache/apt/lists" -o "Dir::Cache=$cache/apt")
  apt-get "${options[@]}" update
  apt-get "${options[@]}" source --download-only micropython
fi
echo "$sum  $archive" | sha256sum --check --quiet || missing "$archive is not the one that is expected"

if [ ! -d source ]; then
  rm -rf source.new
  mkdir source.new
  tar -xJf "$archive" -C source.new --strip-components=1
  # The hook is there, for traces, and empty.
  sed -i 's/^#define TRACE(ip)$/extern unsigned int lutin_bytecodes;\n#define TRACE(ip) (++lutin_bytecodes)/' source.new/py/vm.c
  grep -q lutin_bytecodes source.new/py/vm.c || missing "py/vm.c is not as expected"
  mv source.new source
fi

# Without what needs libraries of 32 bits. (MPY_LIB_DIR: micropython-lib is not in Debian's package, nor needed.)
make -C source/mpy-cross -j"$(nproc)" >log 2>&1 || { tail -20 log; missing "mpy-cross was not built"; }
make -C source/ports/unix -j"$(nproc)" \
  MICROPY_FORCE_32BIT=1 MICROPY_PY_FFI=0 MICROPY_PY_BTREE=0 MICROPY_PY_SSL=0 MICROPY_SSL_MBEDTLS=0 \
  CFLAGS_EXTRA=-DMICROPY_FLOAT_IMPL=MICROPY_FLOAT_IMPL_FLOAT \
  USER_C_MODULES="$here/modules" FROZEN_MANIFEST="$here/manifest.py" MPY_LIB_DIR="$cache/source/lib" >>log 2>&1 ||
  { tail -20 log; missing "the unix port was not built; $cache/log says why"; }
cp source/ports/unix/build-standard/micropython micropython.new
mv micropython.new micropython
echo "$cache/micropython"
