# ruff: noqa: E501  # patterns and lists of sets are read better unbroken
"""Samples of public sets for benchmarks/train_detectors.py: the pool to learn from, and those to measure on.

The pool is public domain, MIT, Apache-2.0, BSD or CC-BY. Not for: what is true of the texts
(benchmarks/detector_data.py).
"""

from __future__ import annotations

from pathlib import Path

import polars as pl


def read(data: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(data / f"{name}.parquet")


def rows(df, source, n, seed=0, **extra):
    df = df.filter(pl.col("text").str.strip_chars().str.len_chars() > 0)
    df = df.sample(min(n, df.height), seed=seed)
    ex = [pl.lit(v).alias(k) if isinstance(v, str) else v.alias(k) for k, v in extra.items()]
    return df.select(
        (pl.lit(source + ":") + pl.col("id").cast(pl.String)).alias("id"),
        "text",
        pl.lit(source).alias("source"),
        *ex,
    )


def evals(data: Path) -> pl.DataFrame:
    a = read(data, "alpaca_eval_outputs")
    head = a["text"].str.slice(0, 250)
    rx = r"(?i)\b(sorry|apologi[sz]e|apologies|regret|unfortunately)\b|\b(can't|cannot|can not|unable to|won't|not able to)\b|as an? (ai|artificial|large language|language model)"
    hot = head.str.contains(rx)
    p = pl.col("prompt")
    out = [rows(a.filter(hot), "alpaca", 750, prompt=p), rows(a.filter(~hot), "alpaca", 1500, prompt=p)]
    tab = a.filter(~hot & a["text"].str.contains(r"(?m)^\s*\|.*\|.*\|"))
    out.append(rows(tab, "alpaca", 80, prompt=p))
    s = read(data, "selfinstruct_outputs")
    out.append(rows(s, "selfinstruct", 700, prompt=p))
    r = read(data, "reasoning_sentences")
    out.append(
        pl.concat(
            [
                rows(r.filter(pl.col("label") == label), "reasoning", 350, prompt=pl.col("label"))
                for label in r["label"].unique().sort()
            ]
        )
    )
    po = read(data, "politeness")
    out.append(
        pl.concat(
            [
                rows(po.filter(pl.col("label") == label), "politeness", 500, prompt=pl.col("label"))
                for label in ("polite", "impolite", "neutral")
            ]
        )
    )
    g = read(data, "goemotions").with_columns(j=pl.col("labels").list.join(","))
    out.append(
        pl.concat(
            [
                rows(g.filter(pl.col("primary") == label), "goemotions", 220, prompt=pl.col("j"))
                for label in (
                    "admiration",
                    "gratitude",
                    "excitement",
                    "joy",
                    "remorse",
                    "confusion",
                    "neutral",
                    "disapproval",
                    "anger",
                    "curiosity",
                    "sadness",
                    "love",
                )
            ]
        )
    )
    out.append(
        rows(
            read(data, "user_prompts"),
            "prompts",
            1500,
            prompt=pl.col("label").fill_null("") + ":" + pl.col("source"),
        )
    )
    out.append(rows(read(data, "imdb_counterfactual"), "imdb", 300, prompt=pl.col("label")))
    out.append(rows(read(data, "self_dialogue"), "dialogue", 300, prompt=pl.col("topic")))
    out.append(
        rows(
            read(data, "nltk_properties").filter(pl.col("dataset") == "subjectivity"),
            "subjectivity",
            400,
            prompt=pl.col("label"),
        )
    )
    out.append(rows(read(data, "onestop_levels"), "onestop", 120, prompt=pl.col("label")))
    out.append(rows(read(data, "ag_news_test"), "agnews", 400, prompt=pl.lit("news")))
    out.append(rows(read(data, "persona_statements_dev"), "persona", 300, prompt=pl.col("trait")))
    out.append(
        rows(
            read(data, "gsm8k_train").with_columns(text=pl.col("answer")),
            "gsm8k_answers",
            150,
            prompt=pl.lit("math"),
        )
    )
    out.append(
        rows(read(data, "global_opinions_eval"), "opinions", 150, prompt=pl.lit(""))
        if "text" in read(data, "global_opinions_eval").columns
        else out[0].head(0)
    )
    return pl.concat(out).unique("id", keep="first", maintain_order=True)


def pool(data: Path) -> pl.DataFrame:
    d = read(data, "sae_corpus")
    out = []
    for s, n in {
        "arena_hard_outputs": 1500,
        "novels": 450,
        "python_peps": 200,
        "rust_rfcs": 200,
        "movie_reviews": 250,
        "masc": 300,
        "gsm8k_train": 200,
        "user_prompts": 400,
        "state_union": 100,
        "inaugural": 60,
        "self_dialogue": 150,
    }.items():
        out.append(
            rows(
                d.filter(pl.col("source") == s),
                s,
                n,
                prompt=pl.col("genre").fill_null("") + "|" + pl.col("doc").fill_null(""),
            )
        )
    out.append(
        rows(
            read(data, "goemotions")
            .filter(pl.col("split") == "train")
            .with_columns(j=pl.col("labels").list.join(",")),
            "goemotions_train",
            1200,
            seed=5,
            prompt=pl.col("j"),
        )
    )
    out.append(
        rows(
            read(data, "gsm8k_train").with_columns(text=pl.col("answer")),
            "gsm8k_answers",
            150,
            seed=7,
            prompt=pl.lit("math"),
        )
    )
    out.append(rows(read(data, "banking77"), "banking77", 250, prompt=pl.lit("")))
    out.append(rows(read(data, "clickbait"), "clickbait", 250, prompt=pl.lit("")))
    return pl.concat(out).unique("id", keep="first", maintain_order=True)
