//! Fields of people, configuration items and the platform's own tables. Lists are sorted by name.

use super::Field;
use super::Kind::{Boolean, DateTime, Integer, Password, Reference, Text};
use super::{GROUP, LINE, LONG, SHORT, USER};

/// Every table has these.
pub(super) const SYSTEM: &[Field] = &[
    ("sys_class_name", super::Kind::Class),
    ("sys_created_by", SHORT),
    ("sys_created_on", DateTime),
    ("sys_domain", GROUP),
    ("sys_domain_path", LINE),
    ("sys_id", SHORT),
    ("sys_mod_count", Integer),
    ("sys_tags", LINE),
    ("sys_updated_by", SHORT),
    ("sys_updated_on", DateTime),
];

pub(super) const USERS: &[Field] = &[
    ("active", Boolean),
    ("city", SHORT),
    ("company", Reference("core_company")),
    ("country", SHORT),
    ("date_format", SHORT),
    ("department", Reference("cmn_department")),
    ("email", LINE),
    ("employee_number", SHORT),
    ("first_name", SHORT),
    ("home_phone", SHORT),
    ("internal_integration_user", Boolean),
    ("last_login_time", DateTime),
    ("last_name", SHORT),
    ("location", Reference("cmn_location")),
    ("locked_out", Boolean),
    ("manager", USER),
    ("mobile_phone", SHORT),
    ("name", LINE),
    ("phone", SHORT),
    ("preferred_language", SHORT),
    ("roles", LINE),
    ("time_format", SHORT),
    ("time_zone", SHORT),
    ("title", LINE),
    ("user_name", SHORT),
    ("user_password", Password),
    ("vip", Boolean),
    ("web_service_access_only", Boolean),
];
pub(super) const GROUPS: &[Field] = &[
    ("active", Boolean),
    ("description", LONG),
    ("email", LINE),
    ("manager", USER),
    ("name", LINE),
    ("parent", GROUP),
    ("type", LINE),
];
pub(super) const MEMBERS: &[Field] = &[("group", GROUP), ("user", USER)];
pub(super) const ROLES: &[Field] = &[("description", LONG), ("name", LINE)];
pub(super) const USER_ROLES: &[Field] =
    &[("inherited", Boolean), ("role", Reference("sys_user_role")), ("state", SHORT), ("user", USER)];
pub(super) const GROUP_ROLES: &[Field] =
    &[("group", GROUP), ("inherits", Boolean), ("role", Reference("sys_user_role"))];
pub(super) const DEPARTMENTS: &[Field] = &[
    ("dept_head", USER),
    ("description", LONG),
    ("id", SHORT),
    ("name", LINE),
    ("parent", Reference("cmn_department")),
];
pub(super) const PLACES: &[Field] = &[("city", LINE), ("country", LINE), ("name", LINE), ("street", LINE)];

pub(super) const JOURNAL: &[Field] =
    &[("element", SHORT), ("element_id", SHORT), ("name", SHORT), ("value", Text(65_000))];
pub(super) const CI: &[Field] = &[
    ("asset_tag", SHORT),
    ("category", LINE),
    ("install_status", Integer),
    ("name", LINE),
    ("operational_status", Integer),
    ("serial_number", LINE),
    ("short_description", LONG),
    ("support_group", GROUP),
    ("version", LINE),
];
pub(super) const APPLICATION: &[Field] = &[("install_directory", LINE)];
pub(super) const TASK_CI: &[Field] =
    &[("added_from_dynamic_ci", Boolean), ("ci_item", Reference("cmdb_ci")), ("task", Reference("task"))];
pub(super) const PROPERTIES: &[Field] =
    &[("description", LONG), ("name", LINE), ("type", SHORT), ("value", LONG)];
pub(super) const CHOICES: &[Field] = &[
    ("dependent_value", SHORT),
    ("element", SHORT),
    ("hint", LINE),
    ("inactive", Boolean),
    ("label", LINE),
    ("language", SHORT),
    ("name", SHORT),
    ("sequence", Integer),
    ("value", LINE),
];
pub(super) const DICTIONARY: &[Field] = &[
    ("active", Boolean),
    ("column_label", LINE),
    ("default_value", LONG),
    ("element", SHORT),
    ("internal_type", SHORT),
    ("mandatory", Boolean),
    ("max_length", Integer),
    ("name", SHORT),
    ("read_only", Boolean),
];
pub(super) const MODELS: &[Field] = &[
    ("active", Boolean),
    ("available_in_ui", Boolean),
    ("color", SHORT),
    ("default_change_type", SHORT),
    ("description", LONG),
    ("name", LINE),
    ("state_field", SHORT),
    ("table_name", SHORT),
];
pub(super) const TEMPLATES: &[Field] = &[
    ("active", Boolean),
    ("assignment_group", GROUP),
    ("backout_plan", LONG),
    ("category", SHORT),
    ("current_version", Reference("std_change_producer_version")),
    ("description", LONG),
    ("implementation_plan", LONG),
    ("name", LINE),
    ("retired", Boolean),
    ("short_description", LINE),
    ("test_plan", LONG),
];
pub(super) const TEMPLATE_VERSIONS: &[Field] = &[
    ("name", LINE),
    ("published", Boolean),
    ("std_change_producer", Reference("std_change_record_producer")),
    ("version", Integer),
];
pub(super) const ATTACHMENTS: &[Field] = &[
    ("average_image_color", SHORT),
    ("chunk_size_bytes", Integer),
    ("compressed", Boolean),
    ("content_type", LINE),
    ("file_name", LINE),
    ("hash", LINE),
    ("image_height", Integer),
    ("image_width", Integer),
    ("size_bytes", Integer),
    ("size_compressed", Integer),
    ("state", SHORT),
    ("table_name", SHORT),
    ("table_sys_id", SHORT),
];
pub(super) const RATE_LIMITS: &[Field] = &[
    ("active", Boolean),
    ("limit", Integer),
    ("method", SHORT),
    ("name", LINE),
    ("resource", LINE),
    ("role", LINE),
    ("table", SHORT),
    ("user", USER),
];
pub(super) const SCRIPTS: &[Field] = &[
    ("abort_action", Boolean),
    ("action_delete", Boolean),
    ("action_insert", Boolean),
    ("action_update", Boolean),
    ("active", Boolean),
    ("add_message", Boolean),
    ("collection", SHORT),
    ("filter_condition", LONG),
    ("message", LONG),
    ("name", LINE),
    ("order", Integer),
    ("when", SHORT),
];
pub(super) const DATA_POLICIES: &[Field] =
    &[("active", Boolean), ("conditions", LONG), ("model_table", SHORT), ("short_description", LINE)];
pub(super) const DATA_POLICY_RULES: &[Field] =
    &[("field", SHORT), ("mandatory", Boolean), ("sys_data_policy", Reference("sys_data_policy2"))];
pub(super) const TABLES: &[Field] =
    &[("label", LINE), ("name", SHORT), ("number_ref", SHORT), ("super_class", Reference("sys_db_object"))];
pub(super) const TRANSFORMS: &[Field] =
    &[("active", Boolean), ("name", LINE), ("source_table", SHORT), ("target_table", SHORT)];
pub(super) const TRANSFORM_ENTRIES: &[Field] = &[
    ("coalesce", Boolean),
    ("map", Reference("sys_transform_map")),
    ("source_field", SHORT),
    ("target_field", SHORT),
];
pub(super) const SHORT_ADDRESSES: &[Field] = &[("url", Text(100_000))];
