# SPDX-License-Identifier: BSD-3-Clause
"""Checks that transactions could have run one after the other. Each appended its own number to some
registers and read some. A register's final content tells the order of its writers, a read tells
between which of them it stands; these dependencies must have no cycle (the idea of Elle's
list-append histories, Kingsbury and Alvaro 2020)."""


def problem(transactions, registers):
    """transactions: {number: [("append", key) or ("read", key, numbers seen)]}, the final registers:
    {key: numbers}. Returns None, or what is wrong as text."""
    edges = {number: set() for number in transactions}
    written = {(key, number) for number, steps in transactions.items() for kind, key, *_ in steps if kind == "append"}
    found = [(key, number) for key, numbers in registers.items() for number in numbers]
    if len(found) != len(set(found)):
        return "a write happened twice"
    if set(found) != written:
        return f"writes lost or invented: {sorted(set(found) ^ written)[:5]}"
    for numbers in registers.values():
        for before, after in zip(numbers, numbers[1:]):
            edges[before].add(after)
    for number, steps in transactions.items():
        for kind, key, *seen in steps:
            if kind != "read":
                continue
            content, prefix = registers.get(key, []), seen[0]
            if content[:len(prefix)] != prefix:
                return f"transaction {number} saw in {key} what is no prefix of its final content"
            if prefix and prefix[-1] != number:
                edges[prefix[-1]].add(number)
            if len(prefix) < len(content) and content[len(prefix)] != number:
                edges[number].add(content[len(prefix)])
    return cycle(edges)


def cycle(edges):
    colours = {}
    for root in edges:
        if root in colours:
            continue
        colours[root] = "open"
        stack = [(root, iter(edges[root]))]
        while stack:
            node, rest = stack[-1]
            after = next(rest, None)
            if after is None:
                colours[node] = "done"
                stack.pop()
            elif colours.get(after) == "open":
                return f"transactions {after} and {node} each come before the other"
            elif after not in colours:
                colours[after] = "open"
                stack.append((after, iter(edges[after])))
    return None
