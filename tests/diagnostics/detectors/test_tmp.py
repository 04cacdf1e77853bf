import warnings
from functools import cached_property
import numpy as np
from flatline.diagnostics.advice import ADVICE
from flatline.diagnostics.detectors import DETECTORS
from flatline.diagnostics.view import View
class Spy(View):
    def __init__(self, signals):
        self.asked=set(); self.quiet=False
        super().__init__(signals)
    def note(self,name):
        if not self.quiet: self.asked.add(name.partition(".")[0])
    def scalar(self,name):
        self.note(name); return super().scalar(name)
    def _read(self,column):
        self.note(column); return super()._read(column)
    def hidden_gradients(self,rnn):
        self.note("hidden_gradient"); return super().hidden_gradients(rnn)
    def ablation(self,part):
        self.note("ablation"); return super().ablation(part)
    def newest_class_lwlrap(self):
        self.note("evaluation class"); return super().newest_class_lwlrap()
    @cached_property
    def has_learned(self):
        self.quiet=True; r=super().has_learned; self.quiet=False; return r
def test_x(made, sick_run):
    asked={}
    for (kind,variant) in [*ADVICE]:
        for run in (made(), sick_run(kind,variant), sick_run(kind,variant,{"evaluation.lwlrap":.8})):
            v=Spy(run)
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore"); list(DETECTORS[kind](v))
            asked.setdefault(kind,set()).update(v.asked)
    for k in DETECTORS: print(f'    "{k}": {tuple(sorted(asked[k]))},')
    assert 0
