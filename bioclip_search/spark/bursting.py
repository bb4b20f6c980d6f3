"""Which pictures belong to one sequence, by window functions: for rows too many for one machine, or that are no run.

The rules are those of `bursts.sequences`, told there. In the folder of a run it is they that group; what a sequence shows is `bursts.fusion`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bioclip_search.bursts.sequences import GAP_S, LONGEST_PICTURES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MS_PER_S, MS_PER_MIN = 1000, 60_000


def sequences(rows: DataFrame, gap_s: float = GAP_S) -> DataFrame:
    """A row a picture: `media_id` and `sequence_id`, as `members.parquet` of a run has them.

    Pictures of one moment are taken in the order of their names, for a DataFrame has no other; so where a sequence begins with two of
    them, and a run has them in another order, its id may be the other one's.

    Args:
        rows: As `spark.tag` gives them; of several rows of one picture one counts.
        gap_s: Longest time between two pictures of one sequence.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    place = f.coalesce(f.concat(f.lit("d"), f.col("deployment")), f.concat(f.lit("f"), f.regexp_replace(f.coalesce("image", f.lit("")), r"[^/\\]*$", "")))
    is_frame = f.col("frame_number").isNotNull()
    has_zone = f.col("timestamp").isNotNull() & f.col("utc_offset_min").isNotNull()
    clock_ms = f.expr("timestampdiff(MILLISECOND, timestamp_ntz'1970-01-01 00:00:00', timestamp)")
    pictures = rows.dropDuplicates(["media_id"]).select(
        "media_id",
        "image",
        f.col("frame_number").alias("frame"),
        f.when(is_frame, f.concat_ws("\0", f.lit("v"), place, f.col("image"))).otherwise(place).alias("at"),
        has_zone.alias("has_zone"),
        (clock_ms - f.coalesce(f.col("utc_offset_min"), f.lit(0)) * MS_PER_MIN).alias("ms"),
    )
    step = f.coalesce(f.col("frame").cast("long"), f.col("ms")).asc_nulls_first()
    order = (step, f.col("image"), f.col("media_id"))
    along = Window.partitionBy("at", "has_zone").orderBy(*order)
    before = f.lag("ms").over(along)
    is_apart = f.col("ms").isNull() | before.isNull() | (f.col("ms") - before > gap_s * MS_PER_S)
    is_first = (f.row_number().over(along) == 1) | (f.col("frame").isNull() & is_apart)
    begun = pictures.withColumn("is_first", is_first).withColumn("number", f.sum(f.col("is_first").cast("int")).over(along))
    within = Window.partitionBy("at", "has_zone", "number").orderBy(*order)
    parted = begun.withColumn("part", f.floor((f.row_number().over(within) - 1) / LONGEST_PICTURES))
    of_one = Window.partitionBy("at", "has_zone", "number", "part").orderBy(*order)
    return parted.select("media_id", f.concat(f.lit("s"), f.first("media_id").over(of_one)).alias("sequence_id"))
