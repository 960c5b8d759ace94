"""A picture of residency over time: one line a block, dark while it is in VRAM, light while it is in RAM."""

WIDTH, HEIGHT, LEFT, TOP = 960, 420, 60, 54
COLOURS = {"vram": "#1f6f8b", "ram": "#d7e4e8"}
ARENA = 0x508100000000  # where the program's own addresses lie; the pager's second mappings from 2 TiB further on


def read(path):
    """[(ns, address, bytes, where)] of the program's own addresses."""
    rows = []
    for line in open(path):
        ns, address, size, where = line.split()
        if ARENA <= int(address, 16) < ARENA + (2 << 40):
            rows.append((float(ns), int(address, 16), int(size), where))
    return rows


def svg(path, title, end_ns):
    rows = read(path)
    blocks = sorted({(address, size) for _, address, size, _ in rows})
    total = sum(size for _, size in blocks) or 1
    end_ns = max([end_ns] + [row[0] for row in rows]) or 1
    tops, at = {}, 0
    for address, size in blocks:
        tops[address] = (TOP + at / total * HEIGHT, size / total * HEIGHT)
        at += size
    history = {}
    for ns, address, _, where in rows:
        history.setdefault(address, []).append((ns, where))
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + LEFT + 20}" height="{HEIGHT + TOP + 50}" '
           'font-family="sans-serif" font-size="13">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="{LEFT}" y="22" font-size="16">{title}</text>',
           f'<text x="{LEFT}" y="42" fill="#555">one line a block of memory, by address; '
           f'<tspan fill="{COLOURS["vram"]}">dark: in VRAM</tspan>, light: in RAM; simulated</text>']
    for address, changes in history.items():
        top, height = tops[address]
        for i, (ns, where) in enumerate(changes):
            until = changes[i + 1][0] if i + 1 < len(changes) else end_ns
            x, width = LEFT + ns / end_ns * WIDTH, (until - ns) / end_ns * WIDTH
            out.append(f'<rect x="{x:.2f}" y="{top:.2f}" width="{max(width, 0.2):.2f}" height="{height:.2f}" '
                       f'fill="{COLOURS[where]}"/>')
    for i in range(6):
        x = LEFT + WIDTH * i / 5
        out.append(f'<text x="{x:.0f}" y="{TOP + HEIGHT + 20}" text-anchor="middle">{end_ns * i / 5 / 1e6:.0f} ms</text>')
    out.append(f'<text x="{LEFT - 8}" y="{TOP + 12}" text-anchor="end">0</text>')
    out.append(f'<text x="{LEFT - 8}" y="{TOP + HEIGHT}" text-anchor="end">{total >> 20} MiB</text>')
    out.append("</svg>")
    return "\n".join(out)
