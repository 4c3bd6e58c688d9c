"""Setting, changing and having forgotten a password."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core import mail
from django.test import Client
from django.urls import reverse

from diagnosis import selectors, texts
from diagnosis.models import Mail, User
from diagnosis.services import accounts, links, operations, passwords
from tests import factories

pytestmark = pytest.mark.django_db

OLD, NEW = "a-long-enough-password", "another-long-secret"


@pytest.fixture
def can_mail(settings) -> None:
    settings.CAN_MAIL = True


@pytest.fixture
def reachable(clinician: User) -> User:
    clinician.email = "clinician@hospital.example"
    clinician.save()
    return clinician


@pytest.fixture
def forget(django_capture_on_commit_callbacks):
    """Ask for a link as a stranger and let the worker send what waits: the words of the answer."""

    def _forget(name: str) -> str:
        with django_capture_on_commit_callbacks(execute=True):
            answer = page(Client().post(reverse("forgotten"), {"name": name}))
        with django_capture_on_commit_callbacks(execute=True):
            operations.sweep()
        return answer

    return _forget


def page(answer) -> str:
    words = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", answer.content.decode())
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", words))


def set_by(path: str, first: str = NEW, second: str | None = None, client: Client | None = None):
    wanted = {"new_password1": first, "new_password2": first if second is None else second}
    return (client or Client()).post(path, wanted)


def signs_in(user: User, password: str) -> bool:
    answer = Client().post(reverse("login"), {"username": user.username, "password": password})
    return answer.status_code == 302


# --- by a link ---


def test_a_link_sets_the_password_and_works_once(clinician):
    path = passwords.make_link(clinician, by=None)
    assert f"For the account {clinician.username}" in page(Client().get(path))
    answer = set_by(path)
    assert answer.url == reverse("login")
    assert signs_in(clinician, NEW) and not signs_in(clinician, OLD)
    assert texts.LINK_OVER in page(set_by(path, "a-third-long-secret"))
    assert signs_in(clinician, NEW)
    assert [event.new for event in selectors.history(clinician)] == ["password set", "link made"]


def test_looking_at_a_link_does_not_use_it_up(clinician):
    path = passwords.make_link(clinician, by=None)
    for _ in range(2):
        assert Client().get(path).status_code == 200
    assert set_by(path).status_code == 302


@pytest.mark.parametrize("event", ["time", "a newer link", "a sign-in", "another address", "a deactivation"])
def test_a_link_is_over_after(event, clinician, settings, monkeypatch):
    path = passwords.make_link(clinician, by=None)
    if event == "time":
        late = datetime.now() + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT + 1)  # noqa: DTZ005
        monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda _: late)
    elif event == "a newer link":
        passwords.make_link(clinician, by=None)
    elif event == "a sign-in":
        assert signs_in(clinician, OLD)
    elif event == "another address":
        accounts.describe(clinician, by=clinician, first_name="", last_name="", email="new@hospital.example")
    else:
        accounts.deactivate(clinician, by=None)
    assert "does not work any more" in page(Client().get(path))
    assert texts.LINK_OVER in page(set_by(path))
    clinician.refresh_from_db()
    assert clinician.check_password(OLD)


def test_a_link_works_until_its_last_second(clinician, settings, monkeypatch):
    path = passwords.make_link(clinician, by=None)
    soon = datetime.now() + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT - 60)  # noqa: DTZ005
    monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda _: soon)
    assert set_by(path).status_code == 302


def test_a_link_that_was_used_while_its_form_was_open_sets_nothing(clinician):
    path = passwords.make_link(clinician, by=None)
    token = path.split("token=")[1]
    assert passwords.use_link(clinician, token=token, password=NEW)
    assert not passwords.use_link(clinician, token=token, password="a-third-long-secret")
    clinician.refresh_from_db()
    assert clinician.check_password(NEW)


@pytest.mark.parametrize(
    "query", ["", "?user=1", "?user=x&token=y", "?user=²&token=y", f"?user={'9' * 40}&token=y"]
)
def test_an_address_that_never_was_a_link_is_no_error(query, db):
    answer = Client().get(reverse("password-link") + query)
    assert answer.status_code == 200 and "does not work any more" in page(answer)


def test_the_link_of_one_is_not_the_link_of_another(clinician):
    other = factories.UserFactory()
    path = passwords.make_link(clinician, by=None).replace(f"user={clinician.pk}&", f"user={other.pk}&")
    assert texts.LINK_OVER in page(set_by(path))


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ("short", None, "too short"),
        ("password1", None, "too common"),
        (NEW, "something else", "match"),
        ("clinician-seven", None, "too similar"),
    ],
)
def test_a_password_that_will_not_do_is_said_and_the_link_stays(clinician, first, second, why):
    User.objects.filter(pk=clinician.pk).update(username="clinician-seven")
    clinician.refresh_from_db()
    path = passwords.make_link(clinician, by=None)
    assert why in page(set_by(path, first, second))
    assert set_by(path).status_code == 302


def test_what_makes_a_link_work_stands_behind_the_question_mark(clinician):
    """Logs are written without query strings."""
    path = passwords.make_link(clinician, by=None)
    assert path.split("?")[0] == reverse("password-link")


def test_a_link_unlocks(clinician, settings):
    factories.wrong_passwords(clinician.username, n=settings.AXES_FAILURE_LIMIT)
    assert not signs_in(clinician, OLD)
    set_by(passwords.make_link(clinician, by=None))
    assert signs_in(clinician, NEW)


# --- forgotten ---


def test_the_sign_in_page_leads_to_it(client, db):
    assert f'href="{reverse("forgotten")}"' in client.get(reverse("login")).content.decode()


def test_without_mail_it_says_whom_to_ask(reachable, forget):
    assert texts.NO_MAIL in page(Client().get(reverse("forgotten")))
    assert texts.NO_MAIL in forget(reachable.username)
    assert not Mail.objects.exists() and mail.outbox == []


@pytest.mark.parametrize("by", ["username", "email"])
def test_a_link_goes_to_the_address_of_the_account(can_mail, reachable, forget, by, settings):
    forget(getattr(reachable, by))
    (sent,) = mail.outbox
    assert sent.to == [reachable.email] and reachable.username in sent.body and "24 hours" in sent.body
    path = re.search(rf"{settings.SITE_URL}(/password-link/\S+)", sent.body)[1]
    assert set_by(path).status_code == 302 and signs_in(reachable, NEW)


def test_the_answer_is_the_same_whether_there_is_such_an_account_or_not(can_mail, reachable, forget):
    nameless = factories.UserFactory()
    gone = factories.UserFactory(is_active=False, email="gone@hospital.example")
    answers = {
        forget(name) for name in (reachable.username, "nobody", nameless.username, gone.username, "x" * 200)
    }
    assert len(answers) == 1 and "a link is on its way" in answers.pop()
    assert [sent.to for sent in mail.outbox] == [[reachable.email]]


def test_a_stranger_cannot_tell_by_the_bell_that_there_is_such_an_account(
    can_mail, reachable, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks() as rung:
        Client().post(reverse("forgotten"), {"name": reachable.username})
    assert rung == [] and Mail.objects.filter(user=reachable).exists()


def test_asking_again_and_again_sends_one_mail(can_mail, reachable, forget):
    for _ in range(3):
        forget(reachable.username)
    assert len(mail.outbox) == 1


def test_a_name_that_is_none_is_said(can_mail, db):
    for name in ("", "x" * 255, "a\0b"):
        answer = Client().post(reverse("forgotten"), {"name": name})
        assert answer.status_code == 200 and "on its way" not in page(answer)


def test_a_link_that_was_asked_for_ends_with_one_that_an_administrator_makes(can_mail, reachable, forget):
    forget(reachable.username)
    passwords.make_link(reachable, by=None)
    path = re.search(r"/password-link/\S+", mail.outbox[0].body)[0]
    assert "does not work any more" in page(Client().get(path))


# --- one's own ---


def change(client: Client, old: str = OLD, new: str = NEW):
    fields = {"old_password": old, "new_password1": new, "new_password2": new}
    return client.post(reverse("account-password"), fields, follow=True)


def test_a_changed_password_keeps_this_session_and_ends_the_others(browser, sign_in, clinician):
    elsewhere = sign_in(clinician)
    assert texts.PASSWORD_CHANGED in page(change(browser))
    assert browser.get(reverse("studies")).status_code == 200
    assert elsewhere.get(reverse("studies")).url.startswith(reverse("login"))
    assert signs_in(clinician, NEW)
    assert selectors.history(clinician)[0].new == "password set"


def test_the_old_password_is_asked_for(browser, clinician):
    assert "old password was entered incorrectly" in page(change(browser, old="wrong"))
    clinician.refresh_from_db()
    assert clinician.check_password(OLD)


def test_passwords_are_not_tried_for_ever_on_a_screen_left_unlocked(browser, clinician):
    for _ in range(20):
        assert "incorrectly" in page(change(browser, old="wrong"))
    assert "Too many tries. You can go on at" in page(change(browser))
    clinician.refresh_from_db()
    assert clinician.check_password(OLD)


def describe(client: Client, **fields: str):
    wanted = {"first_name": "", "last_name": "", "email": ""} | fields
    return client.post(reverse("account"), wanted, follow=True)


def test_everybody_sets_the_own_name_without_a_password(browser, clinician):
    assert "Saved." in page(describe(browser, first_name="Ada", last_name="Lovelace"))
    clinician.refresh_from_db()
    assert clinician.get_full_name() == "Ada Lovelace"
    assert "Ada Lovelace" in page(browser.get(reverse("studies")))


@pytest.mark.parametrize(("password", "changed"), [("", False), ("wrong", False), (OLD, True)])
def test_the_address_that_links_go_to_takes_the_password(browser, clinician, password, changed):
    answer = describe(browser, email="new@hospital.example", password=password)
    assert (texts.PASSWORD_NEEDED in page(answer)) != changed
    clinician.refresh_from_db()
    assert (clinician.email == "new@hospital.example") == changed


def test_nobody_gives_themselves_a_role_or_a_team(browser, clinician):
    describe(
        browser, role="administrator", teams=str(factories.TeamFactory().pk), is_staff="on", username="chief"
    )
    before = (clinician.username, clinician.role, clinician.is_staff, clinician.teams.count())
    clinician.refresh_from_db()
    assert (clinician.username, clinician.role, clinician.is_staff, clinician.teams.count()) == before


def test_links_are_not_like_those_of_another_generator(clinician):
    assert not PasswordResetTokenGenerator().check_token(clinician, links.links.make_token(clinician))
