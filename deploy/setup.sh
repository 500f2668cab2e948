#!/bin/sh
# Make the virtual environment .venv from uv.lock. Needs Python 3.11 and nothing else; asks for no root.
# uv comes from PATH, else from an earlier run, else it is fetched by pip into var/bootstrap.
set -eu
cd "$(dirname "$0")/.."
boot=var/bootstrap
say() { printf '  %s\n' "$*"; }
stop() { printf '\n✗ %s\n' "$*" >&2; exit 1; }

python=${PYTHON:-python3}
command -v "$python" >/dev/null 2>&1 || stop "没有找到 Python：请安装 python3（3.11 或更高）。 No Python found: install python3 (3.11 or newer)."

find_uv() {
    for uv in uv "$boot/bin/uv" "$boot/venv/bin/uv" "$HOME/.local/bin/uv"; do
        command -v "$uv" >/dev/null 2>&1 && "$uv" --version >/dev/null 2>&1 && return 0
    done
    return 1
}

if ! find_uv; then
    say "下载 uv · fetching uv into $boot"
    mkdir -p "$boot"
    # --target is allowed where PEP 668 forbids installing into the system (Debian 12 and later).
    if "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target "$boot" --upgrade uv
    elif "$python" -m venv "$boot/venv" >/dev/null 2>&1; then
        "$boot/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
    else
        rm -rf "$boot/venv"
        stop "缺少 pip：请先安装 python3-pip（Debian/Ubuntu：apt install python3-pip），或把 uv 放进 PATH。 Python has no pip here: install python3-pip, or put uv on PATH."
    fi
    find_uv || stop "uv 无法运行。 uv was fetched but does not run on this machine."
fi

# The system's Python where it is new enough; otherwise uv fetches one of its own.
export UV_PYTHON_PREFERENCE="${UV_PYTHON_PREFERENCE:-system}"
"$uv" sync --frozen --quiet
