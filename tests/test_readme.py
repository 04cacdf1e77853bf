"""The README's Python runs as it stands there."""

import re
from pathlib import Path

import flatline
import plotly.graph_objects as go
import torch

README = Path(__file__).parent.parent / "README.md"


def blocks():
    return re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


class Net(torch.nn.Module):
    """A GRU whose last state is classified."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = torch.nn.GRU(6, 4, batch_first=True)
        self.linear = torch.nn.Linear(4, 3)

    def forward(self, clips):
        return self.linear(self.gru(clips)[0][:, -1])


def loop_of_ones_own():
    """What the README's loop finds already there."""
    torch.manual_seed(0)
    model = Net()
    loader = [(torch.randn(8, 5, 6), (torch.rand(8, 3) < 0.4).float()) for _ in range(5)]
    return {
        "model": model,
        "optimizer": torch.optim.Adam(model.parameters()),
        "criterion": torch.nn.BCEWithLogitsLoss(),
        "loader": loader,
        "names": ["bark", "meow", "hum"],
        "validation_logits": model(loader[0][0]).detach(),
        "validation_target": loader[0][1],
    }


def test_the_loop_with_the_recorder_runs_as_printed_and_its_log_reads_as_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loop, reading = blocks()
    exec(loop, loop_of_ones_own())
    run = flatline.Run("logs/mine")
    assert len(run) == 5
    assert run.evaluations.index.tolist() == [5]
    plain = "\n".join(line for line in reading.splitlines() if "attention(" not in line)  # this model has no maps
    found = {"flatline": flatline}
    exec(plain, found)
    assert isinstance(flatline.figures.gradient_heatmap(found["run"]), go.Figure)


def test_every_file_that_the_readme_links_to_is_there():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / target).exists(), target
