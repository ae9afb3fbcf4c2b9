"""pysnow: the Table API and attachments in the style of its documentation."""

import datetime
import os
import tempfile
import unittest

import ijson
import pysnow
import requests

from instance import ADMIN, CLIENT, HOST, INTERLOCK, fault


class Case(unittest.TestCase):
    def setUp(self):
        self.client = pysnow.Client(host=HOST, user=INTERLOCK[0], password=INTERLOCK[1])
        self.incidents = self.client.resource(api_path="/table/incident")

    def incident(self, **fields):
        made = self.incidents.create(payload=fields).one()
        self.addCleanup(self.incidents.delete, {"sys_id": made["sys_id"]})
        return made


class Records(Case):
    def test_a_record_is_made_read_changed_and_deleted(self):
        made = self.incidents.create(payload={"short_description": "pysnow crud"}).one()
        self.assertEqual(made["short_description"], "pysnow crud")
        number = {"number": made["number"]}
        self.assertEqual(self.incidents.get(query=number).one()["sys_id"], made["sys_id"])
        changed = self.incidents.update(query=number, payload={"urgency": "1"}).one()
        self.assertEqual(changed["urgency"], "1")
        self.assertEqual(self.incidents.delete(query=number), {"status": "record deleted"})
        self.assertIsNone(self.incidents.get(query=number).one_or_none())

    def test_a_stream_of_rows_is_read_and_counted(self):
        log = self.client.resource(api_path="/table/syslog")
        answer = log.get(query={}, stream=True, limit=150, offset=100, fields=["sys_id", "message"])
        rows = list(answer.all())
        self.assertEqual((len(rows), answer.count, set(rows[0])), (150, 150, {"sys_id", "message"}))
        self.assertEqual(answer.headers["X-Total-Count"], "700")

    def test_a_built_query_selects(self):
        made = self.incident(short_description="pysnow query", impact="1")
        hour = datetime.timedelta(hours=1)
        now = datetime.datetime.now(datetime.timezone.utc)
        query = (
            pysnow.QueryBuilder()
            .field("short_description").contains("pysnow")
            .AND().field("impact").equals(["1", "2"])
            .AND().field("sys_created_on").between(now - hour, now + hour)
            .AND().field("sys_created_on").greater_than(now - hour)
            .AND().field("number").order_descending()
        )
        self.assertEqual(self.incidents.get(query=query).one()["sys_id"], made["sys_id"])

    def test_display_values_are_shown_when_asked_for(self):
        made = self.incident(short_description="pysnow display")
        self.incidents.parameters.display_value = True
        shown = self.incidents.get(query={"sys_id": made["sys_id"]}).one()
        self.assertEqual((shown["state"], shown["priority"]), ("New", "5 - Planning"))

    def test_a_refusal_is_told_in_the_instances_words(self):
        made = self.incident(short_description="pysnow refused")
        with self.assertRaisesRegex(requests.HTTPError, "403") as refused:
            self.incidents.update(query={"sys_id": made["sys_id"]}, payload={"state": "6"}).one()
        self.assertIn("Data Policy Exception", refused.exception.response.text)

    def test_rows_that_are_cut_off_are_noticed(self):
        fault("error_in_200_stream", cut=True)
        log = self.client.resource(api_path="/table/syslog")
        with self.assertRaises(ijson.JSONError):
            list(log.get(query={}, stream=True, limit=10).all())

    def test_a_change_is_made_through_the_change_api(self):
        changes = self.client.resource(api_path="/change/normal", base_path="/api/sn_chg_rest")
        made = changes.create(payload={"short_description": "pysnow change"}).one()
        self.assertEqual((made["state"]["display_value"], made["type"]["value"]), ("New", "normal"))


class Files(Case):
    def test_a_file_goes_up_is_listed_and_deleted(self):
        made = self.incident(short_description="pysnow files")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "notes.txt")
            with open(path, "w") as file:
                file.write("three lines")
            for _ in range(2):
                self.incidents.attachments.upload(sys_id=made["sys_id"], file_path=path)
        kept = list(self.incidents.attachments.get(sys_id=made["sys_id"]))
        self.assertEqual([file["file_name"] for file in kept], ["notes.txt", "notes.txt"])
        self.assertEqual({file["size_bytes"] for file in kept}, {"11"})
        for file in kept:
            self.incidents.attachments.delete(file["sys_id"])
        self.assertEqual(list(self.incidents.attachments.get(sys_id=made["sys_id"])), [])


class LoggingIn(unittest.TestCase):
    def test_by_password_grant_and_refresh(self):
        kept = []
        client = pysnow.OAuthClient(
            client_id=CLIENT[0], client_secret=CLIENT[1], token_updater=kept.append, host=HOST
        )
        token = client.generate_token(*ADMIN)
        self.assertIn("refresh_token", token)
        # Long past: the client has to buy a new one before its first call.
        client.set_token({**token, "expires_at": 1.0, "expires_in": -1})
        users = client.resource(api_path="/table/sys_user")
        self.assertEqual(users.get(query={"user_name": "admin"}).one()["user_name"], "admin")
        self.assertEqual(len(kept), 1)

    def test_a_wrong_password_is_refused(self):
        client = pysnow.Client(host=HOST, user="admin", password="wrong")
        with self.assertRaisesRegex(requests.HTTPError, "401"):
            client.resource(api_path="/table/incident").get(query={}).all()


if __name__ == "__main__":
    unittest.main()
