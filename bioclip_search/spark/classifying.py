"""The logistic regression of a head sought by Spark's own (MLlib), of the very objective that `heads.fitting` has on one machine.

All else of a head (the mean, the choice of the strength, what is strange to it) is left to `heads.fitting`, the vectors to `features`.

With weights w and a strength C, scikit-learn seeks the least of  C · Σ wᵢ lossᵢ + ½‖W‖²,  MLlib of  Σ wᵢ lossᵢ / Σ wᵢ + λ · ½‖W‖²
(spark.apache.org/docs/latest/ml-classification-regression.html), neither punishes the bias: so λ = 1 / (C · Σ wᵢ). Two classes
are one row of numbers in both. MLlib brings columns to one variance unless told not to.
"""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bioclip_search.errors import SparkError
from bioclip_search.heads.fitting import Regress
from bioclip_search.spark.rows import path_to_read
from bioclip_search.spark.session import told_as_spark_error

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

MAX_ITERATIONS, TOLERANCE = 300, 1e-8
"""Steps of L-BFGS, and the change of the objective at which they end: finer than one machine's, for who waits for a cluster wants it sought to the end."""

PART_ROWS = 65_536
"""Rows of a file that vectors are handed to Spark in: 400 MB of 768 numbers."""


def regressing_on(spark: SparkSession, staging: Path) -> Regress:
    """What `fit_head` takes as `regress`: weight (k, d) and bias (k,) of multinomial logistic regression, sought by MLlib.

    Args:
        staging: A folder on storage that this machine and all workers share; what is put there goes again.
    """

    def regress(moved: np.ndarray, of: np.ndarray, k: int, weights: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
        folder = staging.absolute() / f"vectors-{uuid.uuid4().hex}"
        try:
            _hand_over(moved, of, weights, folder)
            rows = spark.read.parquet(path_to_read(folder)).repartition(spark.sparkContext.defaultParallelism)
            return regressed(rows, k, strength, float(weights.sum()))
        except Exception as error:  # py4j and pyspark each raise types of their own
            raise told_as_spark_error(error) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return regress


def regressed(rows: DataFrame, k: int, strength: float, total: float) -> tuple[np.ndarray, np.ndarray]:
    """Weight (k, d) and bias (k,) that rows teach: `vector` (array of numbers, centred), `class` (int, from 0 to k - 1), `weight` (double).

    Args:
        total: The sum of the weights.
    """
    from pyspark.ml.functions import array_to_vector
    from pyspark.storagelevel import StorageLevel

    ready = rows.select(array_to_vector("vector").alias("features"), "class", "weight").persist(StorageLevel.MEMORY_AND_DISK)
    try:
        model = _learner(k, strength, total).fit(ready)
    finally:
        ready.unpersist()
    weight, bias = np.asarray(model.coefficientMatrix.toArray()), np.asarray(model.interceptVector.toArray())
    if k == 2:  # one row for two classes; half of it for and half against is the same
        return np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight, bias


def _learner(k: int, strength: float, total: float) -> Any:
    from pyspark.ml.classification import LogisticRegression

    return LogisticRegression(
        featuresCol="features",
        labelCol="class",
        weightCol="weight",
        family="binomial" if k == 2 else "multinomial",
        regParam=1.0 / (strength * total),
        elasticNetParam=0.0,
        standardization=False,
        maxIter=MAX_ITERATIONS,
        tol=TOLERANCE,
    )


def _hand_over(moved: np.ndarray, of: np.ndarray, weights: np.ndarray, folder: Path) -> None:
    """Vectors at hand as files that the workers read."""
    try:
        folder.mkdir(parents=True)
        for first in range(0, len(of), PART_ROWS):
            part = slice(first, first + PART_ROWS)
            starts = np.arange(len(of[part]) + 1, dtype=np.int32) * moved.shape[1]
            numbers = pa.ListArray.from_arrays(pa.array(starts), pa.array(np.ascontiguousarray(moved[part], np.float64).reshape(-1)))
            columns = {"vector": numbers, "class": pa.array(of[part], pa.int32()), "weight": pa.array(weights[part], pa.float64())}
            parquet.write_table(pa.table(columns), folder / f"part-{first // PART_ROWS:05d}.parquet")
    except OSError as error:
        raise SparkError(f"{folder}: vectors cannot be handed to Spark ({error.strerror or error}). Make room, or give another --staging.") from error
