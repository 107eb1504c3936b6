"""Pruning of training data, public as `amorsize.ml_pruning`.

    history.prune_training_data --> selector.PrototypeSelector --> select.select --> Selection
    select: age_weighting -> problem (regions) -> prototypes.Reducer -> ladder, certificate
    Reducer: partition (cells), agglomeration (dendrogram) -> refine (elimination) -> descent (fit)

`upkeep` prunes a history beside long runs, in a process of its own.
"""
