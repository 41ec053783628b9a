"""Which topic is an answer about? A classifier over named features, held against one over words."""

import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline

import saetext

answers = pl.concat([pl.read_ndjson(f"examples/{name}.jsonl") for name in ("gentle", "brisk")])
folds = GroupKFold(5)  # both files answer the same prompts: one prompt is never on both sides

for vectorizer, settings in (
    (saetext.SAEVectorizer(), {"texts__pooling": ["max", "mean"], "texts__binary": [False, True]}),
    (TfidfVectorizer(), {"texts__sublinear_tf": [False, True]}),
):
    pipeline = Pipeline([("texts", vectorizer), ("model", LogisticRegression(max_iter=2000))])
    search = GridSearchCV(pipeline, {**settings, "model__C": [1.0, 10.0]}, cv=folds)
    search.fit(answers["text"], answers["topic"], groups=answers["prompt_id"])
    print(f"{type(vectorizer).__name__}: {search.best_score_:.3f} with {search.best_params_}")

    names = search.best_estimator_["texts"].get_feature_names_out()
    model = search.best_estimator_["model"]
    for topic in ("cooking", "travel"):
        weights = model.coef_[list(model.classes_).index(topic)]
        print(f"  {topic}: {'; '.join(names[weights.argsort()[::-1][:4]])}")
