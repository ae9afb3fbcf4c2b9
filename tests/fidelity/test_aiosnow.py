"""aiosnow: its models of incidents and journal entries, with display value and value of each field."""

import os
import tempfile
import unittest

from aiosnow import Client
from aiosnow.models.table.declared import IncidentModel, JournalModel

from instance import HOST, INTERLOCK


class Case(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.client = Client(HOST, basic_auth=INTERLOCK)
        self.incidents = IncidentModel(self.client, table_name="incident")
        self.addAsyncCleanup(self.incidents._close_session)

    async def incident(self, **fields):
        made = await self.incidents.create(fields)
        self.addAsyncCleanup(self.incidents.delete, made["sys_id"])
        return made


class Records(Case):
    async def test_a_record_is_made_read_changed_and_deleted(self):
        made = await self.incidents.create({"short_description": "aiosnow crud", "impact": 1})
        found = await self.incidents.get_one(IncidentModel.number == made["number"])
        self.assertEqual(found["short_description"], "aiosnow crud")
        self.assertEqual((found["impact"].key, found["impact"].value), (1, "1 - High"))
        changed = await self.incidents.update(IncidentModel.number == made["number"], {"urgency": 1})
        self.assertEqual(changed["priority"].value, "1 - Critical")
        deleted = await self.incidents.delete(IncidentModel.number == made["number"])
        self.assertEqual(deleted.status, 204)

    async def test_rows_are_streamed_page_by_page(self):
        for number in range(5):
            await self.incident(short_description=f"aiosnow stream {number}")
        query = IncidentModel.short_description.starts_with("aiosnow stream")
        found = [row async for _, row in self.incidents.stream(query, limit=5, page_size=2)]
        self.assertEqual(len(found), 5)

    async def test_a_note_is_read_back_from_the_journal(self):
        made = await self.incident(short_description="aiosnow note")
        await self.incidents.update(made["sys_id"], {"work_notes": "looked at it"})
        journal = JournalModel(self.client, table_name="sys_journal_field")
        self.addAsyncCleanup(journal._close_session)
        entries = (await journal.get(JournalModel.element_id == made["sys_id"])).data
        self.assertEqual([entry["value"] for entry in entries], ["looked at it"])

    async def test_a_file_goes_up_and_comes_down(self):
        made = await self.incident(short_description="aiosnow file")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "notes.txt")
            with open(path, "w") as file:
                file.write("three lines")
            await self.incidents.upload_file(IncidentModel.number == made["number"], path)
            os.remove(path)
            await self.incidents.download_file(f"table_sys_id={made['sys_id']}", folder)
            with open(path) as file:
                self.assertEqual(file.read(), "three lines")


if __name__ == "__main__":
    unittest.main()
