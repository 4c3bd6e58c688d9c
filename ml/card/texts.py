"""What the card says in words. Numbers are filled in by whoever prints them."""

RESEARCH = """\
Research software. Not a medical device. Not for diagnosis, triage, isolation, treatment or discharge. \
Adults, frontal chest X-rays only."""

MEANT = """\
**Meant for** research on reading, relabelling and retraining, by people who see the film as well. \
**Not meant for** children, lateral views, other body parts, or any decision about a patient."""

LICENCES = """\
The weights are for research only: some of the training films are licensed CC BY-NC or CC BY-NC-SA, and some state \
no licence. See NOTICE. The code is Apache-2.0."""

HOW_TO_READ = """\
Positive is COVID-19. Brackets hold 95 % intervals: by bootstrap over groups (a patient with his near-duplicates); for \
proportions with fewer than ten films on one side Wilson's, on as many films as there are groups. Beside each number \
stand three classifiers that read no lung, trained on the same films and asked about the same films: the share of \
COVID-19 at the film's source, a logistic regression on a thumbnail, and the share of COVID-19 at the film's view; \
they answer COVID-19 from 0.5 on. The last column is paired: film by film, group by group."""

FOLD_A = """\
The web collection (ieee8023, armiro, figure1) was left out of training. Within ieee8023 the source tells nothing, and \
its other films are pneumonias too: this is the number to look at first."""

FOLD_C = """\
Here ieee8023 is in training, but no film of a held-out patient or of a near-duplicate: five parts, five networks. \
Pooled, their scores are those of five networks on one scale."""

ON_HELD_OUT = """\
The operating point was chosen on held-out scores, these among them: sensitivity and specificity in this section are \
not those of a threshold chosen elsewhere. AUC needs no threshold."""

FOLD_B = """\
BIMCV (Valencia) was left out of training. All its films are COVID-19, so only a sensitivity can be measured. \
**The negatives are not external:** they come from sources that are in training. What is fixed on them need not hold \
in a hospital that is new."""

ILL = """\
Against films of other patients with pneumonia, which NIH's own reports name. COVID-19 and NIH films come from \
different places, so the source still tells them apart: the columns beside show how far."""

NIH = """\
None of these films is COVID-19: what counts is how many are answered Non-COVID, and that views, ages and sexes do not \
differ. In test the network knows other NIH films."""

SHORTCUT = """\
In these films the label can almost be told from the source: most sources have one class only. \
**Knowing only the source scores {source} here** (ROC AUC, no pixel read; sensitivity {sensitivity}, specificity \
{specificity}). So the pooled {auc} of this network does not show that it reads lungs: a pooled number is no goal."""

SHOWN = {
    "film": "the whole gray film",
    "lungs": "the box of the lungs that the lung finder of the same file draws, gray around the lungs",
}

CHOICE = """\
on validation films: the band lies between the thresholds at 95 % sensitivity and at 95 % specificity, \
the operating point is the best balance of the two inside it"""

CHOICE_HELD_OUT = """\
on films that were held out of training, as the section on calibration says; no test film took part"""

LIMITS = """\
- **Not measured on unseen hospitals.** Every source of the test films is a source of the training films. \
Networks of this kind lost much of their AUC outside (DeGrave, Janizek & Lee 2021: 0.995 inside, about 0.70 outside).
- Most Non-COVID films are normal or have no finding: specificity on ill patients is lower; see the rows apart.
- COVID-19 labels of BIMCV come from PCR: some of these films show nothing.
- NIH labels were mined from reports. AP and supine films go with disease in some sources.
- Films of one patient are not independent: the {n} test films lie in {n_groups} groups, and BIMCV and RSNA name no \
patient, so that intervals may still be too narrow.
- Validation and test films differ in their mix of sources and in prevalence, and so do scores."""

MISSING = "Not measured for this checkpoint: {what}."

COVERAGE = """\
Coverage of the uncertain band, which aims to hold {aim} of either class: *covered* is a film that is not answered on \
the wrong side. Each row's thresholds were chosen without its source, or where too few films were left, without its \
groups. Coverage holds where only the prevalence changes, not in a new hospital."""

LEFT_OUT = """\
Each source's probabilities by a calibration that was fitted without it, at the source's own share of COVID-19:"""

CALIBRATION = """\
Calibration and band as shipped, on the held-out films that they were chosen on. *Covered* is a film that is not \
answered on the wrong side of the uncertain band, *uncertain* one inside it. Slope and intercept need both classes."""

SCORE = """\
- The score is the probability among the training films, drawn half from each class; it is not the \
probability for a patient on a ward."""

CALIBRATED = """\
- The score is a probability at an assumed prevalence of {prevalence}; it is not the probability for a patient on a \
ward, where another share of patients has COVID-19."""
