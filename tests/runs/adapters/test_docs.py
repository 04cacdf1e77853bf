"""docs/adapters.md: its Python runs as it stands there, its table is the code's."""

import re
from pathlib import Path

import flatline
import numpy as np
import pytest
import torch
from flatline.runs.tensorboard import ALIASES, PER_PARAMETER

PAGE = (Path(flatline.__file__).parent / "docs" / "adapters.md").read_text(encoding="utf-8")

NAMES = ["bark", "meow", "hum"]


def example(heading):
    """The Python of a section."""
    return re.search(rf"## {heading}\n.*?```python\n(.*?)```", PAGE, flags=re.DOTALL)[1]


def test_the_page_is_a_page():
    assert len(PAGE.splitlines()) <= 80


@pytest.mark.filterwarnings("ignore:.*")
def test_the_lightning_example_runs(hand):
    pl = pytest.importorskip("lightning.pytorch", reason="Lightning is not installed")

    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = hand.Tagger()

        def training_step(self, batch, batch_idx):
            logits = self.net(batch[0])
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, batch[1])
            return {"loss": loss, "logits": logits, "target": batch[1]}

        validation_step = training_step

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters())

    def quiet(**options):
        off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
        return pl.Trainer(accelerator="cpu", **dict.fromkeys(off, False), **options)

    loader = torch.utils.data.DataLoader(hand.batches(), batch_size=None)
    exec(
        example("Lightning"),
        {"names": NAMES, "Trainer": quiet, "module": Module(), "loader": loader, "validation_loader": loader},
    )
    run = flatline.Run("logs/mine")
    assert (len(run), len(run.evaluations), run.classes) == (2 * hand.n_batches, 2, NAMES)


def test_the_transformers_example_runs():
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    pytest.importorskip("accelerate", reason="accelerate is not installed")

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.head = torch.nn.Linear(4, 3)

        def forward(self, clips, labels=None):
            logits = self.head(clips)
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

    arguments = transformers.TrainingArguments(
        "out",
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        num_train_epochs=2,
        eval_strategy="epoch",
    )
    clips = [{"clips": torch.randn(4), "labels": number % 3} for number in range(16)]
    found = {"names": NAMES, "Trainer": transformers.Trainer, "model": Model(), "arguments": arguments, "clips": clips}
    exec(example("transformers"), found)
    run = flatline.Run("logs/mine")
    assert (len(run), len(run.evaluations), run.classes) == (4, 2, NAMES)


def test_the_skorch_example_runs(hand):
    skorch = pytest.importorskip("skorch", reason="skorch is not installed")
    clips, target = (np.concatenate([part.numpy() for part in parts]) for parts in zip(*hand.batches(), strict=True))
    found = {"names": NAMES, "NeuralNet": skorch.NeuralNet, "BCEWithLogitsLoss": torch.nn.BCEWithLogitsLoss}
    exec(example("skorch"), {**found, "Tagger": hand.Tagger, "clips": clips, "target": target})
    run = flatline.Run("logs/mine")
    assert (len(run), len(run.evaluations), run.classes) == (10, 10, NAMES)


def test_the_tensorboard_example_runs(hand):
    pytest.importorskip("tbparse", reason="tbparse is not installed")
    model = hand.Tagger()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with flatline.Recorder(model, optimizer, log="logs/mine", loss="bce-with-logits") as recorder:
        for clips, target in hand.batches():
            logits = model(clips)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
            loss.backward()
            optimizer.step()
            recorder.step(loss=loss, logits=logits, target=target)
    exec(example("TensorBoard"), {"flatline": flatline})
    before, after = flatline.Run("logs/mine"), flatline.Run("logs/from-events")
    assert after.series("agreement").tolist() == before.series("rank_agreement").dropna().tolist()
    assert after.gradient_norms.equals(before.gradient_norms)


def test_the_table_of_tags_is_the_codes():
    table = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, flags=re.MULTILINE))
    assert {column: tuple(re.findall(r"`([^`]+)`", tags)) for column, tags in table.items()} == ALIASES
    per_parameter = re.search(r"^\| `gradient_norm` of a parameter \| (.*) \|$", PAGE, flags=re.MULTILINE)[1]
    tags = re.findall(r"`([^`]+)`", per_parameter)
    assert len(tags) == 5
    assert all(PER_PARAMETER.fullmatch(tag)[1] == "<p>" for tag in tags)
