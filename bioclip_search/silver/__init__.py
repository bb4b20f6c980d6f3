"""Silver sets: pictures whose boxes a detector drew, strictly chosen, to teach the next detector beside what people drew (gold).

judging   the rules by which a picture is taken, whole or not at all
pictures  where the pictures come from, with the boxes that a source or a run brings
writing   the set as Parquet, piece by piece, so that who is stopped loses little
checking  a fair draw of its boxes for people to look at, and what their answers say
"""
