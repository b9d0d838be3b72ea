"""What is measured along a run: pure functions (problem, params) -> array, and the quantities they are made of."""

from ._accuracy import correct as correct
from ._accuracy import test_accuracy as test_accuracy
from ._accuracy import train_accuracy as train_accuracy
from ._balancedness import balancedness as balancedness
from ._balancedness import incoming_and_outgoing as incoming_and_outgoing
from ._distance import distance as distance
from ._distance import norm as norm
from ._interpolation import distance_to_min_norm as distance_to_min_norm
from ._interpolation import out_of_span as out_of_span
from ._interpolation import relative_residual as relative_residual
from ._interpolation import weights as weights
from ._path_norms import l1_path_norm as l1_path_norm
from ._path_norms import l2_path_norm as l2_path_norm
from ._path_norms import product_norm as product_norm
from ._rank import LowRankRegion as LowRankRegion
from ._rank import end_to_end as end_to_end
from ._rank import f_alpha as f_alpha
from ._rank import imbalance as imbalance
from ._rank import second_singular_value as second_singular_value
from ._rank import singular_ratio as singular_ratio
from ._rank import singular_values as singular_values
from ._rank import smooth_rank as smooth_rank
