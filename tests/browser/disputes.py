"""Cases on which readers differ: accounts and a cohort of their own, so that no other test meets them."""

from __future__ import annotations

from tests.browser import stage
from tests.sites import Site

PASSWORD = "a-long-enough-password"
# One account for the adjudicator whom the protocol of this cohort names, and a source that only its films come from.
COHORT = """
from diagnosis.models import Cohort, Protocol, User
from tests import factories
judge = User.objects.filter(username="{judge}").first()
judge = judge or factories.UserFactory(username="{judge}", role="radiologist")
source = factories.SourceFactory(slug="{name}", name="{name}")
cohort = Cohort.objects.create(name="{name}")
cohort.sources.add(source)
protocol = Protocol.objects.create(cohort=cohort, n_readers=2, rule="adjudicated", reason="two readers differ here")
protocol.adjudicators.add(judge)
"""
# Reads as the reading room stores them, long final; each reader has drawn where they see something.
DISPUTES = """
from datetime import timedelta
from django.utils import timezone
from diagnosis import renditions
from diagnosis.models import Region, Source, User
from diagnosis.services import worklist
from ml.phantom import phantom
from tests import factories
sender = User.objects.get(username="clinician")
SAID = [
    ("typical", 3, ["consolidation", "ground-glass"], "Both bases, peripheral."),
    ("atypical", 2, ["consolidation"], "Lobar, in the left lower zone alone; I would think of bacteria first."),
    ("normal", 1, [], ""),
]
DRAWN = {{
    "typical": [
        ("box", "consolidation", [[.12, .5], [.4, .8]]),
        ("outline", "ground-glass", [[.55, .5], [.85, .55], [.81, .8], [.58, .75]]),
    ],
    "atypical": [("box", "consolidation", [[.56, .46], [.88, .84]]), ("length", "", [[.2, .9], [.8, .9]])],
}}
for n in range({n}):
    study = factories.StudyFactory(
        team=sender.teams.first(), uploaded_by=sender, sex="FM"[n % 2], age_years=47 + 9 * n,
        source=Source.objects.get(slug="{name}"), patient=factories.PatientFactory(),
    )
    film = factories.InstanceFactory(series__study=study, view="PA")
    film.folder.mkdir(parents=True)
    grey = phantom({seed} + n, 896, 1024)
    renditions.write(film.folder, pixels=grey, gray8=grey)
    worklist.enter(study)
    ago = timezone.now() - timedelta(hours=2 + 5 * n)
    for answer, confidence, findings, comment in SAID[:2 + n % 2]:
        said = {{"answer": answer, "confidence": confidence, "findings": findings, "comment": comment}}
        read = factories.ReadFactory(study=study, created_at=ago, **said)
        for kind, finding, points in DRAWN.get(answer, []):
            points = [[x * 896, y * 1024] for x, y in points]
            Region.objects.create(read=read, instance=film, kind=kind, finding=finding, points=points)
    worklist.refresh(study)
    study.derived_labels.update(at=ago)
    print(study.pk)
"""
CLAIM = """
from diagnosis.models import Case, User
from diagnosis.services import claims
from tests import factories
claims.claim(Case.objects.get(study="{study}"), by=factories.UserFactory(role="radiologist"))
"""
SETTLE = """
from diagnosis.models import Case, User
from diagnosis.services import adjudication
case = Case.objects.get(study="{study}")
judge = User.objects.get(username="{judge}")
adjudication.decide(case, by=judge, answer="atypical", why="One lobe, sharply bounded, with a little fluid.")
"""
STUCK = """
from diagnosis.models import User
from diagnosis.services import worklist
from diagnosis.models import Study
from tests import factories
study = Study.objects.get(pk="{study}")
factories.ReadFactory(study=study, reader=User.objects.get(username="{judge}"), answer="typical")
worklist.refresh(study)
"""


def adjudicator(site: Site, *, name: str = "adjudicator", cohort: str = "Disputed films") -> str:
    """The user name of whom the protocol of a new cohort names."""
    site.passwords[name] = PASSWORD
    site.shell(COHORT.format(judge=name, name=cohort))
    return name


def disputed(site: Site, n: int = 1, *, cohort: str = "Disputed films") -> list[str]:
    """Studies of this cohort on which readers differ."""
    return site.shell(DISPUTES.format(n=n, name=cohort, seed=next(stage.UNSEEN) + 20_000)).split()


def opened_by_another(site: Site, study: str) -> None:
    site.shell(CLAIM.format(study=study))


def settled(site: Site, study: str, *, by: str = "adjudicator") -> None:
    site.shell(SETTLE.format(study=study, judge=by))


def read_by_all(site: Site, study: str, *, adjudicator: str = "adjudicator") -> None:
    """The only adjudicator has read it, too."""
    site.shell(STUCK.format(study=study, judge=adjudicator))
