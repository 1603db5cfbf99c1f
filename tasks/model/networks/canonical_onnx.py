"""One form for one network: what exporters number and order by chance is numbered and ordered by the graph itself.

The same weights are then the same bytes, in every process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx


def canonical_form(content: bytes) -> bytes:
    """An ONNX model whose nodes stand in the order in which its outputs need them, and whose inner names are counted.

    Names of inputs and outputs stay; what no output needs is left out. A model with graphs inside its nodes is returned
    as it is.
    """
    import onnx

    model = onnx.load_from_string(content)
    graph = model.graph
    if any(attribute.type in (attribute.GRAPH, attribute.GRAPHS) for n in graph.node for attribute in n.attribute):
        return content
    nodes = list(_needed_nodes(graph))
    outer = {"", *(value.name for value in (*graph.input, *graph.output))}
    weights = {tensor.name: tensor for tensor in graph.initializer}
    names: dict[str, str] = {name: name for name in outer}
    for number, node in enumerate(nodes):
        for name in (*node.input, *node.output):
            names.setdefault(name, f"{'w' if name in weights else 'v'}{len(names) - len(outer)}")
        node.name = f"{node.op_type}_{number}"
        node.attribute.sort(key=_name)
    used = [weights[name] for name in names if name in weights]
    for tensor in used:
        tensor.name = names[tensor.name]
    for node in nodes:
        node.input[:], node.output[:] = [names[x] for x in node.input], [names[x] for x in node.output]
    graph.input.sort(key=_name)
    graph.ClearField("value_info")
    for kept, values in ((graph.node, nodes), (graph.initializer, used)):
        copies = [type(value).FromString(value.SerializeToString(deterministic=True)) for value in values]
        del kept[:]
        kept.extend(copies)
    return bytes(model.SerializeToString(deterministic=True))


def _needed_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Nodes that outputs need, each after what it needs itself, in the order of outputs and of inputs."""
    makers = {name: node for node in graph.node for name in node.output if name}
    done: set[int] = set()
    stack = [(makers[value.name], False) for value in reversed(graph.output) if value.name in makers]
    while stack:
        node, ready = stack.pop()
        if id(node) in done:
            continue
        if ready:
            done.add(id(node))
            yield node
            continue
        stack.append((node, True))
        stack.extend((makers[name], False) for name in reversed(node.input) if name in makers)


def _name(part: Any) -> str:
    return str(part.name)
