"""The papers behind the assays, as BibTeX."""

from __future__ import annotations

from collections.abc import Iterable

from .errors import UserError, nearest

BIBTEX: dict[str, str] = {
    "gunasekar2018geometry": """\
@inproceedings{gunasekar2018geometry,
  author        = {Gunasekar, Suriya and Lee, Jason and Soudry, Daniel and Srebro, Nathan},
  title         = {Characterizing Implicit Bias in Terms of Optimization Geometry},
  booktitle     = {International Conference on Machine Learning ({ICML})},
  year          = {2018},
  eprint        = {1802.08246},
  archiveprefix = {arXiv},
}""",
    "lecture_sgd": """\
@misc{lecture_sgd,
  title = {The success of Deep Learning: Is it all about {SGD}?},
  note  = {Lecture slides},
}""",
    "liu2020bad": """\
@inproceedings{liu2020bad,
  author        = {Liu, Shengchao and Papailiopoulos, Dimitris and Achlioptas, Dimitris},
  title         = {Bad Global Minima Exist and {SGD} Can Reach Them},
  booktitle     = {Advances in Neural Information Processing Systems ({NeurIPS})},
  volume        = {33},
  pages         = {8543--8552},
  year          = {2020},
  eprint        = {1906.02613},
  archiveprefix = {arXiv},
}""",
    "wang2024jumps": """\
@inproceedings{wang2024jumps,
  author        = {Wang, Zihan and Jacot, Arthur},
  title         = {Implicit bias of {SGD} in {L2}-regularized linear {DNNs}: One-way jumps from high to low rank},
  booktitle     = {International Conference on Learning Representations ({ICLR})},
  year          = {2024},
  eprint        = {2305.16038},
  archiveprefix = {arXiv},
}""",
}


def bibtex(keys: Iterable[str]) -> str:
    """The BibTeX of `keys`, each once and in order, with an empty line between two entries.

    Raises:
        UserError: a key is not in the bibliography.
    """
    wanted = tuple(dict.fromkeys(keys))
    for key in wanted:
        if key not in BIBTEX:
            raise UserError(f"there is no paper {key!r}: {nearest(key, BIBTEX)}")
    return "\n\n".join(BIBTEX[key] for key in wanted)
