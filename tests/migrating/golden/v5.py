# dumpy: format 1
# fmt: off
"""The data of project 5.0, written by dumpy.

A row is one line: a call of the create function of its table, which creates an object. If a field
was removed, comment out its line there; if it was renamed, change the name left of the `=`. To
leave out a table, comment out its line in objects().
"""
from dumpy.dump import (
    Decimal, UUID, date, datetime, field_text, inf, install_migrations, json_null, nan,
    natural, new, resolve_model, stored, time, timedelta, utc,
)

SOURCE_VERSION = '5.0'
SOURCE_MIGRATIONS = {
    'auth': '0012_alter_user_first_name_max_length',
    'people': '0003_biography',
    'press': '0013_no_editions',
}

auth_Permission = resolve_model('auth.Permission')


def create_auth_permission(id, name, content_type_id, codename):
    return new(
        auth_Permission,
        id=id,
        name=name,
        content_type_id=content_type_id,
        codename=codename,
    )


def auth_permission_objects():
    yield create_auth_permission(1, 'Can add permission', natural('contenttypes.ContentType', 'auth', 'permission'), 'add_permission')
    yield create_auth_permission(2, 'Can change permission', natural('contenttypes.ContentType', 'auth', 'permission'), 'change_permission')
    yield create_auth_permission(3, 'Can delete permission', natural('contenttypes.ContentType', 'auth', 'permission'), 'delete_permission')
    yield create_auth_permission(4, 'Can view permission', natural('contenttypes.ContentType', 'auth', 'permission'), 'view_permission')
    yield create_auth_permission(5, 'Can add group', natural('contenttypes.ContentType', 'auth', 'group'), 'add_group')
    yield create_auth_permission(6, 'Can change group', natural('contenttypes.ContentType', 'auth', 'group'), 'change_group')
    yield create_auth_permission(7, 'Can delete group', natural('contenttypes.ContentType', 'auth', 'group'), 'delete_group')
    yield create_auth_permission(8, 'Can view group', natural('contenttypes.ContentType', 'auth', 'group'), 'view_group')
    yield create_auth_permission(9, 'Can add user', natural('contenttypes.ContentType', 'auth', 'user'), 'add_user')
    yield create_auth_permission(10, 'Can change user', natural('contenttypes.ContentType', 'auth', 'user'), 'change_user')
    yield create_auth_permission(11, 'Can delete user', natural('contenttypes.ContentType', 'auth', 'user'), 'delete_user')
    yield create_auth_permission(12, 'Can view user', natural('contenttypes.ContentType', 'auth', 'user'), 'view_user')
    yield create_auth_permission(13, 'Can add content type', natural('contenttypes.ContentType', 'contenttypes', 'contenttype'), 'add_contenttype')
    yield create_auth_permission(14, 'Can change content type', natural('contenttypes.ContentType', 'contenttypes', 'contenttype'), 'change_contenttype')
    yield create_auth_permission(15, 'Can delete content type', natural('contenttypes.ContentType', 'contenttypes', 'contenttype'), 'delete_contenttype')
    yield create_auth_permission(16, 'Can view content type', natural('contenttypes.ContentType', 'contenttypes', 'contenttype'), 'view_contenttype')
    yield create_auth_permission(17, 'Can add section', natural('contenttypes.ContentType', 'press', 'section'), 'add_section')
    yield create_auth_permission(18, 'Can change section', natural('contenttypes.ContentType', 'press', 'section'), 'change_section')
    yield create_auth_permission(19, 'Can delete section', natural('contenttypes.ContentType', 'press', 'section'), 'delete_section')
    yield create_auth_permission(20, 'Can view section', natural('contenttypes.ContentType', 'press', 'section'), 'view_section')
    yield create_auth_permission(21, 'Can add article', natural('contenttypes.ContentType', 'press', 'article'), 'add_article')
    yield create_auth_permission(22, 'Can change article', natural('contenttypes.ContentType', 'press', 'article'), 'change_article')
    yield create_auth_permission(23, 'Can delete article', natural('contenttypes.ContentType', 'press', 'article'), 'delete_article')
    yield create_auth_permission(24, 'Can view article', natural('contenttypes.ContentType', 'press', 'article'), 'view_article')
    yield create_auth_permission(25, 'Can add note', natural('contenttypes.ContentType', 'press', 'note'), 'add_note')
    yield create_auth_permission(26, 'Can change note', natural('contenttypes.ContentType', 'press', 'note'), 'change_note')
    yield create_auth_permission(27, 'Can delete note', natural('contenttypes.ContentType', 'press', 'note'), 'delete_note')
    yield create_auth_permission(28, 'Can view note', natural('contenttypes.ContentType', 'press', 'note'), 'view_note')
    yield create_auth_permission(29, 'Can add subscription', natural('contenttypes.ContentType', 'press', 'subscription'), 'add_subscription')
    yield create_auth_permission(30, 'Can change subscription', natural('contenttypes.ContentType', 'press', 'subscription'), 'change_subscription')
    yield create_auth_permission(31, 'Can delete subscription', natural('contenttypes.ContentType', 'press', 'subscription'), 'delete_subscription')
    yield create_auth_permission(32, 'Can view subscription', natural('contenttypes.ContentType', 'press', 'subscription'), 'view_subscription')
    yield create_auth_permission(33, 'Can add medium', natural('contenttypes.ContentType', 'press', 'medium'), 'add_medium')
    yield create_auth_permission(34, 'Can change medium', natural('contenttypes.ContentType', 'press', 'medium'), 'change_medium')
    yield create_auth_permission(35, 'Can delete medium', natural('contenttypes.ContentType', 'press', 'medium'), 'delete_medium')
    yield create_auth_permission(36, 'Can view medium', natural('contenttypes.ContentType', 'press', 'medium'), 'view_medium')
    yield create_auth_permission(37, 'Can add topic', natural('contenttypes.ContentType', 'press', 'topic'), 'add_topic')
    yield create_auth_permission(38, 'Can change topic', natural('contenttypes.ContentType', 'press', 'topic'), 'change_topic')
    yield create_auth_permission(39, 'Can delete topic', natural('contenttypes.ContentType', 'press', 'topic'), 'delete_topic')
    yield create_auth_permission(40, 'Can view topic', natural('contenttypes.ContentType', 'press', 'topic'), 'view_topic')
    yield create_auth_permission(41, 'Can add placement', natural('contenttypes.ContentType', 'press', 'placement'), 'add_placement')
    yield create_auth_permission(42, 'Can change placement', natural('contenttypes.ContentType', 'press', 'placement'), 'change_placement')
    yield create_auth_permission(43, 'Can delete placement', natural('contenttypes.ContentType', 'press', 'placement'), 'delete_placement')
    yield create_auth_permission(44, 'Can view placement', natural('contenttypes.ContentType', 'press', 'placement'), 'view_placement')
    yield create_auth_permission(45, 'Can add address', natural('contenttypes.ContentType', 'press', 'address'), 'add_address')
    yield create_auth_permission(46, 'Can change address', natural('contenttypes.ContentType', 'press', 'address'), 'change_address')
    yield create_auth_permission(47, 'Can delete address', natural('contenttypes.ContentType', 'press', 'address'), 'delete_address')
    yield create_auth_permission(48, 'Can view address', natural('contenttypes.ContentType', 'press', 'address'), 'view_address')
    yield create_auth_permission(49, 'Can add reader', natural('contenttypes.ContentType', 'press', 'reader'), 'add_reader')
    yield create_auth_permission(50, 'Can change reader', natural('contenttypes.ContentType', 'press', 'reader'), 'change_reader')
    yield create_auth_permission(51, 'Can delete reader', natural('contenttypes.ContentType', 'press', 'reader'), 'delete_reader')
    yield create_auth_permission(52, 'Can view reader', natural('contenttypes.ContentType', 'press', 'reader'), 'view_reader')
    yield create_auth_permission(53, 'Can add writer', natural('contenttypes.ContentType', 'people', 'writer'), 'add_writer')
    yield create_auth_permission(54, 'Can change writer', natural('contenttypes.ContentType', 'people', 'writer'), 'change_writer')
    yield create_auth_permission(55, 'Can delete writer', natural('contenttypes.ContentType', 'people', 'writer'), 'delete_writer')
    yield create_auth_permission(56, 'Can view writer', natural('contenttypes.ContentType', 'people', 'writer'), 'view_writer')


auth_Group = resolve_model('auth.Group')


def create_auth_group(id, name, permissions):
    return new(
        auth_Group,
        id=id,
        name=name,
        permissions=permissions,
    )


def auth_group_objects():
    yield create_auth_group(1, 'Editors', [22, 24, 37, 53, 54])
    yield create_auth_group(2, 'Kujundajad', [33, 35, 40])
    yield create_auth_group(3, 'Sales', [12, 29, 52])


auth_User = resolve_model('auth.User')


def create_auth_user(id, password, last_login, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined, groups, user_permissions):
    return new(
        auth_User,
        id=id,
        password=password,
        last_login=last_login,
        is_superuser=is_superuser,
        username=username,
        first_name=first_name,
        last_name=last_name,
        email=email,
        is_staff=is_staff,
        is_active=is_active,
        date_joined=date_joined,
        groups=groups,
        user_permissions=user_permissions,
    )


def auth_user_objects():
    yield create_auth_user(1, '', None, False, 'ada', '', '', '', False, True, utc(2024, 2, 29, 13, 0, 0, 123457), [1, 2], [55])
    yield create_auth_user(2, '', None, False, 'õnne', '', '', '', False, True, utc(2024, 2, 29, 14, 0, 0, 123458), [2], [])
    yield create_auth_user(5, '', None, False, 'guest', '', '', '', False, True, utc(2024, 2, 29, 17, 0, 0, 123461), [], [28])


people_Writer = resolve_model('people.Writer')


def create_people_writer(id, first_name, last_name, email, born, life):
    return new(
        people_Writer,
        id=id,
        first_name=first_name,
        last_name=last_name,
        email=email,
        born=born,
        life=life,
    )


def people_writer_objects():
    yield create_people_writer(1, 'Ada', 'Lovelace', 'ada@example.org', date(1815, 12, 10), 'Wrote the first program.\nThe engine was never built.')
    yield create_people_writer(2, 'Õnne Mari', 'Tamm', None, None, '')
    yield create_people_writer(3, '', 'Sócrates', 'socrates@example.org', None, 'Wrote nothing.')
    yield create_people_writer(8, 'Ursula Kroeber', 'Le.Guin', None, date(1929, 10, 21), 'Лучше идти, чем прийти. 🚀')


press_Note = resolve_model('press.Note')


def create_press_note(id, content_type_id, object_id, author_id, text, written):
    return new(
        press_Note,
        id=id,
        content_type_id=content_type_id,
        object_id=object_id,
        author_id=author_id,
        text=text,
        written=written,
    )


def press_note_objects():
    yield create_press_note(1, natural('contenttypes.ContentType', 'press', 'article'), 1, 1, 'Check the numbers.', utc(2024, 2, 29, 13, 0, 0, 123457))
    yield create_press_note(2, natural('contenttypes.ContentType', 'people', 'writer'), 3, 1, 'Never answers letters.', utc(2024, 2, 29, 14, 0, 0, 123458))
    yield create_press_note(3, natural('contenttypes.ContentType', 'press', 'medium'), 2, 2, 'Väga ilus', utc(2024, 2, 29, 15, 0, 0, 123459))
    yield create_press_note(7, natural('contenttypes.ContentType', 'press', 'topic'), 6, 5, '🦩?', utc(2024, 2, 29, 19, 0, 0, 123463))
    yield create_press_note(8, natural('contenttypes.ContentType', 'press', 'section'), 5, 5, ' ', utc(2024, 2, 29, 20, 0, 0, 123464))


press_Reader = resolve_model('press.Reader')


def create_press_reader(id, name, email):
    return new(
        press_Reader,
        id=id,
        name=name,
        email=email,
    )


def press_reader_objects():
    yield create_press_reader(UUID('00000000-0000-0000-0000-000000000001'), 'Grace', 'grace@example.org')
    yield create_press_reader(UUID('00000000-0000-0000-0000-000000000002'), 'Jaan', 'jaan@example.org')
    yield create_press_reader(UUID('00000000-0000-0000-0000-000000000003'), 'Niemand', 'nobody@example.org')
    yield create_press_reader(UUID('00000000-0000-0000-0000-000000000064'), 'Sofja Ковалевская', 'sofja@example.org')


press_Address = resolve_model('press.Address')


def create_press_address(reader_id, street, city):
    return new(
        press_Address,
        reader_id=reader_id,
        street=street,
        city=city,
    )


def press_address_objects():
    yield create_press_address(UUID('00000000-0000-0000-0000-000000000001'), 'Main street 1', 'Arlington')
    yield create_press_address(UUID('00000000-0000-0000-0000-000000000002'), 'Ülikooli 18', 'Tartu')
    yield create_press_address(UUID('00000000-0000-0000-0000-000000000003'), '', '')
    yield create_press_address(UUID('00000000-0000-0000-0000-000000000064'), '', 'Stockholm')


press_Section = resolve_model('press.Section')


def create_press_section(id, name, slug, parent_id):
    return new(
        press_Section,
        id=id,
        name=name,
        slug=slug,
        parent_id=parent_id,
    )


def press_section_objects():
    yield create_press_section(1, 'World', 'world', None)
    yield create_press_section(2, 'Eesti', 'eesti', 1)
    yield create_press_section(5, 'Sõnad ja pildid', 'sonad', None)
    yield create_press_section(9, "'Quoted' \\ section", 'quoted', 5)


press_Article = resolve_model('press.Article')


def create_press_article(id, title, subtitle, text, language, section_id, writer_id, published, words, state):
    return new(
        press_Article,
        id=id,
        title=title,
        subtitle=subtitle,
        text=text,
        language=language,
        section_id=section_id,
        writer_id=writer_id,
        published=published,
        words=words,
        state=state,
    )


def press_article_objects():
    yield create_press_article(1, 'The engine', None, 'It weaves.\r\n\tPatterns.', 'eng', 1, 1, date(1843, 9, 1), 3, 'published')
    yield create_press_article(2, 'Meri', 'Suvi 2024', 'Sinine\u2028meri', 'est', 2, 2, date(2024, 6, 24), 120, 'published')
    yield create_press_article(3, 'Untitled', '', '?', 'eng', 5, None, None, None, 'draft')
    yield create_press_article(4, 'What is justice?', None, 'Ask \'him\' or "her".', 'eng', 1, 3, None, 0, 'review')
    yield create_press_article(7, 'The wave', 'in the mind', '  blanks  ', 'eng', 9, 8, date(2004, 2, 17), 9000, 'published')
    yield create_press_article(11, 'Päev', None, '{% now %}', 'est', 2, 2, date(2024, 2, 29), 2, 'review')


press_Medium = resolve_model('press.Medium')


def create_press_medium(id, article_id, kind, file, caption, seconds):
    return new(
        press_Medium,
        id=id,
        article_id=article_id,
        kind=kind,
        file=file,
        caption=caption,
        seconds=seconds,
    )


def press_medium_objects():
    yield create_press_medium(1, 1, 'photo', 'engine.png', '', None)
    yield create_press_medium(2, 2, 'photo', 'meri/õhtu.jpg', 'Õhtu', None)
    yield create_press_medium(4, 7, 'photo', 'wave.jpg', 'The wave, drawn', None)
    yield create_press_medium(11, 2, 'video', 'https://example.org/meri.mp4', 'Meri', 61)
    yield create_press_medium(13, 7, 'video', 'https://example.org/wave', '', None)


press_Subscription = resolve_model('press.Subscription')


def create_press_subscription(id, reader_id, section_id, started, price, cancelled):
    return new(
        press_Subscription,
        id=id,
        reader_id=reader_id,
        section_id=section_id,
        started=started,
        price=price,
        cancelled=cancelled,
    )


def press_subscription_objects():
    yield create_press_subscription(1, UUID('00000000-0000-0000-0000-000000000001'), 1, date(2020, 1, 1), Decimal('9.90'), None)
    yield create_press_subscription(2, UUID('00000000-0000-0000-0000-000000000001'), 5, date(2021, 5, 1), Decimal('0.00'), date(2023, 5, 1))
    yield create_press_subscription(3, UUID('00000000-0000-0000-0000-000000000002'), 2, date(2022, 2, 22), Decimal('1234.50'), None)
    yield create_press_subscription(6, UUID('00000000-0000-0000-0000-000000000064'), 9, date(1999, 12, 31), Decimal('-1.00'), date(2000, 1, 1))


press_Topic = resolve_model('press.Topic')


def create_press_topic(id, name):
    return new(
        press_Topic,
        id=id,
        name=name,
    )


def press_topic_objects():
    yield create_press_topic(1, 'art')
    yield create_press_topic(2, 'ajalugu')
    yield create_press_topic(3, 'Ελλάς')
    yield create_press_topic(4, 'sea')
    yield create_press_topic(6, '🦩')
    yield create_press_topic(10, 'no article')


press_Placement = resolve_model('press.Placement')


def create_press_placement(id, article_id, topic_id, position):
    return new(
        press_Placement,
        id=id,
        article_id=article_id,
        topic_id=topic_id,
        position=position,
    )


def press_placement_objects():
    yield create_press_placement(1, 1, 1, 1)
    yield create_press_placement(2, 1, 3, 2)
    yield create_press_placement(3, 2, 4, 1)
    yield create_press_placement(4, 2, 2, 2)
    yield create_press_placement(5, 4, 3, 1)
    yield create_press_placement(6, 7, 1, 1)
    yield create_press_placement(7, 7, 4, 2)
    yield create_press_placement(8, 7, 6, 3)
    yield create_press_placement(9, 11, 2, 1)
    yield create_press_placement(10, 11, 6, 2)


install_migrations(globals())


def objects():
    yield auth_permission_objects()
    yield auth_group_objects()
    yield auth_user_objects()
    yield people_writer_objects()
    yield press_note_objects()
    yield press_reader_objects()
    yield press_address_objects()
    yield press_section_objects()
    yield press_article_objects()
    yield press_medium_objects()
    yield press_subscription_objects()
    yield press_topic_objects()
    yield press_placement_objects()

# dumpy: end
