#!/usr/bin/env bash
# The dashboard in a real browser, over a shop with 10,000 sagas: every screen, a saga that fails
# while it is watched, actions with and without the token, hostile texts, a server that goes away.
# The screenshots are kept in the build folder, in dashboard-screenshots.
set -euo pipefail

# shellcheck source=tests/end_to_end/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Debian's own, which python3-selenium belongs to, whatever python3 is otherwise.
python=/usr/bin/python3

shop_up
"$python" "$here/dashboard.py" --shop "$dir" --bin "$bin" --root "$root" \
    --screenshots "${WEIR_BUILD:-$root/build}/dashboard-screenshots" ||
    stop_with "the dashboard failed; its logs are in $dir"
