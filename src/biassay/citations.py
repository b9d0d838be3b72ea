"""The papers behind the assays, as BibTeX."""

from __future__ import annotations

from collections.abc import Iterable

from .errors import UserError, nearest

BIBTEX: dict[str, str] = {
    "baek2025persample": """\
@misc{baek2025persample,
  author        = {Baek, Beomhan and Song, Minhak and Yun, Chulhee},
  title         = {Implicit Bias of Per-sample {Adam} on Separable Data: Departure from the Full-batch Regime},
  year          = {2025},
  eprint        = {2510.26303},
  archiveprefix = {arXiv},
}""",
    "du2018balanced": """\
@inproceedings{du2018balanced,
  author        = {Du, Simon S. and Hu, Wei and Lee, Jason D.},
  title         = {Algorithmic Regularization in Learning Deep Homogeneous Models: Layers are Automatically Balanced},
  booktitle     = {Advances in Neural Information Processing Systems ({NeurIPS})},
  volume        = {31},
  year          = {2018},
  eprint        = {1806.00900},
  archiveprefix = {arXiv},
}""",
    "fan2025spectral": """\
@inproceedings{fan2025spectral,
  author        = {Fan, Chen and Schmidt, Mark and Thrampoulidis, Christos},
  title         = {Implicit Bias of Spectral Descent and {Muon} on Multiclass Separable Data},
  booktitle     = {Advances in Neural Information Processing Systems ({NeurIPS})},
  year          = {2025},
  eprint        = {2502.04664},
  archiveprefix = {arXiv},
}""",
    "gunasekar2018geometry": """\
@inproceedings{gunasekar2018geometry,
  author        = {Gunasekar, Suriya and Lee, Jason and Soudry, Daniel and Srebro, Nathan},
  title         = {Characterizing Implicit Bias in Terms of Optimization Geometry},
  booktitle     = {International Conference on Machine Learning ({ICML})},
  year          = {2018},
  eprint        = {1802.08246},
  archiveprefix = {arXiv},
}""",
    "ji2021primaldual": """\
@inproceedings{ji2021primaldual,
  author        = {Ji, Ziwei and Telgarsky, Matus},
  title         = {Characterizing the implicit bias via a primal-dual analysis},
  booktitle     = {International Conference on Algorithmic Learning Theory ({ALT})},
  pages         = {772--804},
  year          = {2021},
  eprint        = {1906.04540},
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
    "liu2020landscapes": """\
@misc{liu2020landscapes,
  author        = {Liu, Chaoyue and Zhu, Libin and Belkin, Mikhail},
  title         = {Loss Landscapes and Optimization in Over-Parameterized Non-Linear Systems and Neural Networks},
  year          = {2020},
  eprint        = {2003.00307},
  archiveprefix = {arXiv},
}""",
    "neyshabur2014search": """\
@misc{neyshabur2014search,
  author        = {Neyshabur, Behnam and Tomioka, Ryota and Srebro, Nathan},
  title         = {In Search of the Real Inductive Bias: On the Role of Implicit Regularization in Deep Learning},
  year          = {2014},
  eprint        = {1412.6614},
  archiveprefix = {arXiv},
}""",
    "oymak2019shortest": """\
@inproceedings{oymak2019shortest,
  author        = {Oymak, Samet and Soltanolkotabi, Mahdi},
  title         = {Overparameterized Nonlinear Learning: Gradient Descent Takes the Shortest Path?},
  booktitle     = {International Conference on Machine Learning ({ICML})},
  year          = {2019},
  eprint        = {1812.10004},
  archiveprefix = {arXiv},
}""",
    "pilanci2020convex": """\
@inproceedings{pilanci2020convex,
  author        = {Pilanci, Mert and Ergen, Tolga},
  title         = {Neural Networks are Convex Regularizers: Exact Polynomial-time Convex Optimization Formulations
                   for Two-layer Networks},
  booktitle     = {International Conference on Machine Learning ({ICML})},
  year          = {2020},
  eprint        = {2002.10553},
  archiveprefix = {arXiv},
}""",
    "song2021subquadratic": """\
@inproceedings{song2021subquadratic,
  author        = {Song, Chaehwan and Ramezani-Kebrya, Ali and Pethick, Thomas and Eftekhari, Armin and Cevher, Volkan},
  title         = {Subquadratic Overparameterization for Shallow Neural Networks},
  booktitle     = {Advances in Neural Information Processing Systems ({NeurIPS})},
  volume        = {34},
  year          = {2021},
  eprint        = {2111.01875},
  archiveprefix = {arXiv},
}""",
    "soudry2018": """\
@article{soudry2018,
  author        = {Soudry, Daniel and Hoffer, Elad and Nacson, Mor Shpigel and Gunasekar, Suriya and Srebro, Nathan},
  title         = {The Implicit Bias of Gradient Descent on Separable Data},
  journal       = {Journal of Machine Learning Research},
  volume        = {19},
  number        = {70},
  pages         = {1--57},
  year          = {2018},
  eprint        = {1710.10345},
  archiveprefix = {arXiv},
}""",
    "vardi2021relu": """\
@inproceedings{vardi2021relu,
  author        = {Vardi, Gal and Shamir, Ohad},
  title         = {Implicit Regularization in {ReLU} Networks with the Square Loss},
  booktitle     = {Conference on Learning Theory ({COLT})},
  year          = {2021},
  eprint        = {2012.05156},
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
    "yun2019memorizers": """\
@inproceedings{yun2019memorizers,
  author        = {Yun, Chulhee and Sra, Suvrit and Jadbabaie, Ali},
  title         = {Small {ReLU} Networks Are Powerful Memorizers: A Tight Analysis of Memorization Capacity},
  booktitle     = {Advances in Neural Information Processing Systems ({NeurIPS})},
  volume        = {32},
  year          = {2019},
  eprint        = {1810.07770},
  archiveprefix = {arXiv},
}""",
    "zhang2017rethinking": """\
@inproceedings{zhang2017rethinking,
  author        = {Zhang, Chiyuan and Bengio, Samy and Hardt, Moritz and Recht, Benjamin and Vinyals, Oriol},
  title         = {Understanding deep learning requires rethinking generalization},
  booktitle     = {International Conference on Learning Representations ({ICLR})},
  year          = {2017},
  eprint        = {1611.03530},
  archiveprefix = {arXiv},
}""",
    "zhang2024adam": """\
@inproceedings{zhang2024adam,
  author        = {Zhang, Chenyang and Zou, Difan and Cao, Yuan},
  title         = {The Implicit Bias of {Adam} on Separable Data},
  booktitle     = {Advances in Neural Information Processing Systems ({NeurIPS})},
  year          = {2024},
  eprint        = {2406.10650},
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
