"""What a LiteRT file computes in: to tell eight bits from floats."""

from ai_edge_litert import schema_py_generated as schema

from napari_nucseg.model.folder import LITERT

INT8, FLOAT32 = schema.TensorType.INT8, schema.TensorType.FLOAT32


def step_types(folder):
    """Return the type of what each step of a model's LiteRT file makes, by the name of it."""
    model = schema.Model.GetRootAs((folder / LITERT).read_bytes(), 0)
    graph = model.Subgraphs(0)
    made = [graph.Operators(i).Outputs(0) for i in range(graph.OperatorsLength())]
    tensors = [graph.Tensors(i) for i in made]
    return {tensor.Name().decode(): tensor.Type() for tensor in tensors}


def types_of(types, part):
    """Return the types of the steps whose names hold `part`; there must be some."""
    found = {kind for name, kind in types.items() if part in name}
    assert found, f"no step is named like {part}: {sorted(types)}"
    return found
