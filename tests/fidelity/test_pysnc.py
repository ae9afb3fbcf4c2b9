"""The vendor's own Python client, called as its published live tests do: against a whole instance."""

import unittest

from pysnc import ServiceNowClient, exceptions
from pysnc.auth import ServiceNowClientCredentialsFlow, ServiceNowPasswordGrantFlow

from instance import ADMIN, ADMIN_ID, CERTIFICATE, CHANGE_MANAGEMENT, CLIENT, INTERLOCK_ID, URL


class Case(unittest.TestCase):
    def setUp(self):
        self.client = ServiceNowClient(URL, ADMIN)
        self.addCleanup(self.client.session.close)

    def record(self, table, sys_id=None, **fields):
        """An existing record, or a new one that goes with the test."""
        record = self.client.GlideRecord(table)
        if sys_id:
            self.assertTrue(record.get(sys_id))
            return record
        record.initialize()
        for name, value in fields.items():
            record.set_value(name, value)
        self.assertIsNotNone(record.insert())
        self.addCleanup(record.delete)
        return record

    def found(self, table, *conditions, encoded=None, limit=None):
        record = self.client.GlideRecord(table)
        for condition in conditions:
            record.add_query(*condition)
        if encoded:
            record.add_encoded_query(encoded)
        if limit:
            record.limit = limit
        record.query()
        return record


class Reading(Case):
    def test_a_record_is_read_by_its_id_and_by_a_field(self):
        self.assertEqual(self.record("sys_user", ADMIN_ID).user_name, "admin")
        user = self.client.GlideRecord("sys_user")
        self.assertTrue(user.get("user_name", "admin"))
        self.assertEqual(user.sys_id, ADMIN_ID)

    def test_what_is_not_there_is_not_found(self):
        user = self.client.GlideRecord("sys_user")
        self.assertFalse(user.get("bunk"))
        self.assertFalse(user.get("sys_id", "bunk"))
        self.assertEqual(len(self.found("sys_user", ("sys_id", "bunk"))), 0)

    def test_pages_are_followed_to_the_end(self):
        log = self.client.GlideRecord("syslog", batch_size=100)
        log.fields = ["sys_id"]
        log.query()
        ids = [entry.sys_id.get_value() for entry in log]
        self.assertEqual((len(ids), len(set(ids)), len(log)), (700, 700, 700))

    def test_a_limit_ends_within_a_page(self):
        log = self.client.GlideRecord("syslog", batch_size=3)
        log.limit = 7
        log.query()
        self.assertEqual(len([entry for entry in log]), 7)

    def test_fields_are_chosen_and_walk_through_references(self):
        fields = "sys_id,user_name,department,department.name,department.dept_head,department.dept_head.user_name"
        user = self.client.GlideRecord("sys_user")
        user.fields = fields
        self.assertTrue(user.get("user_name", "demo.1"))
        self.assertEqual(user.department.name, "Finance")
        self.assertEqual(user.department.dept_head.user_name, "natasha.ingram")
        self.assertEqual(list(user.serialize())[:3], ["sys_id", "user_name", "department"])

    def test_values_and_what_people_see_are_told_apart(self):
        problem = self.record("problem", short_description="fidelity display")
        self.assertEqual(problem.get_value("opened_by"), ADMIN_ID)
        self.assertEqual(problem.get_display_value("opened_by"), "System Administrator")
        self.assertEqual(problem.get_display_value("state"), "New")
        at = problem.sys_created_on
        self.assertNotEqual(at.get_value(), at.get_display_value(), "people sit in another zone")

    def test_a_password_is_shown_as_stars(self):
        self.assertEqual(self.record("sys_user", ADMIN_ID).get_display_value("user_password"), "*" * 8)

    def test_records_become_a_table_of_columns(self):
        problems = self.client.GlideRecord("problem")
        problems.fields = "sys_id,short_description,state"
        problems.limit = 4
        problems.query()
        columns = problems.to_pandas()
        self.assertEqual(list(columns), ["sys_id", "short_description", "state__value", "state__display"])
        self.assertEqual(len(columns["sys_id"]), 4)


class Querying(Case):
    def test_conditions_are_joined_by_or(self):
        tables = self.client.GlideRecord("sys_db_object")
        tables.add_query("name", "incident").add_or_condition("name", "problem")
        tables.query()
        self.assertEqual(len(tables), 2)

    def test_empty_and_filled_fields_are_told_apart(self):
        everybody = len(self.found("sys_user"))
        nameless, named = self.client.GlideRecord("sys_user"), self.client.GlideRecord("sys_user")
        nameless.add_null_query("name")
        named.add_not_null_query("name")
        nameless.query()
        named.query()
        self.assertEqual((len(nameless), len(nameless) + len(named)), (1, everybody))

    def test_each_operator_of_the_client_selects(self):
        one = self.record("problem", short_description="fidelity operators", impact="1")
        mine = ("sys_id", one.get_value("sys_id"))
        for condition in [
            ("short_description", "STARTSWITH", "fidelity"),
            ("short_description", "ENDSWITH", "operators"),
            ("short_description", "CONTAINS", "lity op"),
            ("short_description", "LIKE", "OPERATORS"),
            ("short_description", "DOES NOT CONTAIN", "nothing"),
            ("impact", "IN", "1,2"),
            ("impact", "NOT IN", "2,3"),
            ("impact", "<=", "1"),
            ("impact", "<", "2"),
            ("impact", "!=", "3"),
            ("sys_created_on", ">", "2020-01-01 00:00:00"),
            ("sys_created_on", ">", "javascript:gs.daysAgo(1)"),
            ("sys_created_on", "RELATIVEGT", "@hour@ago@1"),
        ]:
            with self.subTest(condition):
                self.assertEqual(len(self.found("problem", mine, condition)), 1)

    def test_a_typo_selects_too_much_as_on_an_instance(self):
        everybody = len(self.found("sys_user"))
        self.assertEqual(len(self.found("sys_user", ("no_such_field", "x"))), everybody)

    def test_a_query_may_be_very_long(self):
        users = self.client.GlideRecord("sys_user")
        for _ in range(2300):
            users.add_query("AAAA", "BBBB")
        users.add_query("sys_id", ADMIN_ID)
        users.query()
        self.assertEqual(len(users), 1)

    def test_an_endless_table_name_is_answered_with_a_page(self):
        record = self.client.GlideRecord("A" * 23000)
        with self.assertRaisesRegex(exceptions.RequestException, "html"):
            record.get("whatever")

    def test_a_join_and_a_related_list_look_at_other_tables(self):
        managers = self.client.GlideRecord("sys_user")
        managers.add_join_query("sys_user_group", join_table_field="manager").add_query("active", "true")
        managers.query()
        self.assertEqual(sorted(user.user_name.get_value() for user in managers), ["admin", "interlock"])
        groups = self.client.GlideRecord("sys_user_group")
        groups.add_rl_query("sys_user_grmember", "group", ">0", True).add_query("user.user_name", "bob.cab")
        groups.query()
        self.assertEqual([group.name.get_value() for group in groups], ["CAB Approval"])

    def test_rows_come_in_order(self):
        problems = self.client.GlideRecord("problem")
        problems.order_by_desc("number")
        problems.query()
        numbers = [problem.number.get_value() for problem in problems]
        self.assertEqual(numbers, sorted(numbers, reverse=True))


class Writing(Case):
    def test_a_record_is_made_changed_and_deleted(self):
        problem = self.client.GlideRecord("problem")
        problem.initialize()
        problem.short_description = "fidelity insert"
        problem.bunk_field = "ignored"
        sys_id = problem.insert()
        self.assertEqual(sys_id, problem.sys_id)
        self.assertEqual(len(problem.get_value("opened_by")), 32)
        again = self.record("problem", sys_id)
        again.short_description = "fidelity update"
        again.assigned_to = INTERLOCK_ID
        self.assertIsNotNone(again.update())
        self.assertEqual(again.get_display_value("assigned_to"), "Interlock Integration")
        self.assertTrue(bool(again.active))
        self.assertTrue(again.delete())
        self.assertFalse(self.client.GlideRecord("problem").get(sys_id))

    def test_a_caller_may_choose_the_id_of_a_new_record(self):
        chosen = "AAAABBBBCCCCDDDDEEEEFFFF00001111"
        problem = self.client.GlideRecord("problem")
        problem.initialize()
        problem.set_new_guid_value(chosen)
        problem.short_description = "fidelity chosen id"
        self.assertEqual(problem.insert(), chosen)
        self.assertTrue(self.record("problem", chosen).delete())

    def test_many_records_are_changed_and_deleted_in_one_batch(self):
        for number in range(5):
            problem = self.client.GlideRecord("problem")
            problem.initialize()
            problem.short_description = f"fidelity batch {number}"
            problem.insert()
        ours = lambda: self.found("problem", ("short_description", "LIKE", "fidelity batch"))
        many = ours()
        self.assertEqual(len(many), 5)
        while many.next():
            many.short_description = many.short_description + " changed"
        answers = []
        many.update_multiple(lambda answer: answers.append(answer.status_code))
        self.assertEqual(answers, [200] * 5)
        self.assertEqual(len(self.found("problem", ("short_description", "ENDSWITH", "changed"))), 5)
        self.assertTrue(ours().delete_multiple())
        self.assertEqual(len(ours()), 0)

    def test_a_business_rule_refuses_some_of_a_batch(self):
        self.record(
            "sys_script",
            name="fidelity rule",
            collection="problem",
            active=True,
            when="before",
            action_insert=True,
            action_update=True,
            abort_action=True,
            filter_condition="short_descriptionLIKEEICAR^ORdescriptionLIKEEICAR^EQ",
        )
        for number in range(4):
            self.record("problem", short_description=f"fidelity ruled {number}")
        many = self.found("problem", ("short_description", "LIKE", "fidelity ruled"))
        for place in range(4):
            self.assertTrue(many.next())
            many.short_description = many.short_description + (" EICAR" if place % 2 else " fine")
        self.assertFalse(many.update_multiple())
        self.assertEqual(len(self.found("problem", ("short_description", "LIKE", "EICAR"))), 0)
        self.assertEqual(len(self.found("problem", ("short_description", "LIKE", " fine"))), 2)

    def test_a_refusal_is_told_in_the_instances_words(self):
        change = self.record("change_request", short_description="fidelity refused")
        change.state = "3"
        with self.assertRaisesRegex(exceptions.RoleException, "aborted by Business Rule"):
            change.update()

    def test_a_change_walks_to_closed(self):
        change = self.record(
            "change_request", short_description="fidelity walk", assignment_group=CHANGE_MANAGEMENT
        )
        change.state = "-4"
        self.assertIsNotNone(change.update())
        for _ in range(2):
            asked = self.found(
                "sysapproval_approver",
                ("sysapproval", change.get_value("sys_id")),
                ("state", "requested"),
            )
            self.assertTrue(asked.next())
            asked.state = "approved"
            self.assertIsNotNone(asked.update())
        sys_id = change.get_value("sys_id")
        change = self.record("change_request", sys_id)
        self.assertEqual((change.get_value("state"), change.get_value("approval")), ("-2", "approved"))
        for state in ["-1", "0"]:
            change.state = state
            self.assertIsNotNone(change.update())
        change.state = "3"
        change.close_code = "successful"
        change.close_notes = "done"
        self.assertIsNotNone(change.update())
        self.assertEqual(change.get_display_value("state"), "Closed")
        self.assertFalse(bool(change.active))


class Attachments(Case):
    def test_files_are_kept_listed_read_and_deleted(self):
        problem = self.record("problem", short_description="fidelity files")
        self.assertEqual(len(problem.get_attachments()), 0)
        text, raw = "one\ntwo\nthree", bytes(range(256))
        url = problem.add_attachment("test.txt", text)
        problem.add_attachment("test.bin", raw)
        files = problem.get_attachments()
        self.assertEqual(len(files), 2)
        contents = {}
        for file in files:
            contents[file.file_name] = file.read()
        self.assertEqual(contents, {"test.txt": text.encode(), "test.bin": raw})
        one = self.client.Attachment("problem")
        one.add_query("file_name", "test.txt")
        one.query()
        self.assertTrue(one.next())
        self.assertEqual(one.get_link(), url)
        self.assertEqual(one.readlines(), text.split("\n"))
        one.delete()
        self.assertEqual(len(problem.get_attachments()), 1)


class LoggingIn(unittest.TestCase):
    def reads(self, auth, **options):
        client = ServiceNowClient(URL, auth, **options)
        self.addCleanup(client.session.close)
        user = client.GlideRecord("sys_user")
        user.fields = "sys_id"
        return user.get(ADMIN_ID)

    def test_by_client_credentials(self):
        self.assertTrue(self.reads(ServiceNowClientCredentialsFlow(*CLIENT)))

    def test_by_password_grant(self):
        self.assertTrue(self.reads(ServiceNowPasswordGrantFlow(*ADMIN, *CLIENT)))

    def test_by_client_certificate(self):
        self.assertTrue(self.reads(None, cert=CERTIFICATE))

    def test_a_wrong_password_is_told_in_the_instances_words(self):
        with self.assertRaisesRegex(exceptions.AuthenticationException, "(?i)not authenticated"):
            self.reads(("admin", "wrong"))

    def test_wrong_client_credentials_buy_no_token(self):
        with self.assertRaises(exceptions.AuthenticationException):
            self.reads(ServiceNowClientCredentialsFlow("nobody", "wrong"))


if __name__ == "__main__":
    unittest.main()
