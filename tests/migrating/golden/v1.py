# dumpy: format 1
# fmt: off
"""The data of project 1.0, written by dumpy.

A row is one line: a call of the create function of its table, which creates an object. If a field
was removed, comment out its line there; if it was renamed, change the name left of the `=`. To
leave out a table, comment out its line in objects().
"""
from dumpy.dump import (
    Decimal, UUID, date, datetime, field_text, inf, install_migrations, json_null, nan,
    natural, new, resolve_model, stored, time, timedelta, utc,
)

SOURCE_VERSION = '1.0'
SOURCE_MIGRATIONS = {
    'auth': '0012_alter_user_first_name_max_length',
    'press': '0001_initial',
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
    yield create_auth_permission(17, 'Can add writer', natural('contenttypes.ContentType', 'press', 'writer'), 'add_writer')
    yield create_auth_permission(18, 'Can change writer', natural('contenttypes.ContentType', 'press', 'writer'), 'change_writer')
    yield create_auth_permission(19, 'Can delete writer', natural('contenttypes.ContentType', 'press', 'writer'), 'delete_writer')
    yield create_auth_permission(20, 'Can view writer', natural('contenttypes.ContentType', 'press', 'writer'), 'view_writer')
    yield create_auth_permission(21, 'Can add reader', natural('contenttypes.ContentType', 'press', 'reader'), 'add_reader')
    yield create_auth_permission(22, 'Can change reader', natural('contenttypes.ContentType', 'press', 'reader'), 'change_reader')
    yield create_auth_permission(23, 'Can delete reader', natural('contenttypes.ContentType', 'press', 'reader'), 'delete_reader')
    yield create_auth_permission(24, 'Can view reader', natural('contenttypes.ContentType', 'press', 'reader'), 'view_reader')
    yield create_auth_permission(25, 'Can add section', natural('contenttypes.ContentType', 'press', 'section'), 'add_section')
    yield create_auth_permission(26, 'Can change section', natural('contenttypes.ContentType', 'press', 'section'), 'change_section')
    yield create_auth_permission(27, 'Can delete section', natural('contenttypes.ContentType', 'press', 'section'), 'delete_section')
    yield create_auth_permission(28, 'Can view section', natural('contenttypes.ContentType', 'press', 'section'), 'view_section')
    yield create_auth_permission(29, 'Can add tag', natural('contenttypes.ContentType', 'press', 'tag'), 'add_tag')
    yield create_auth_permission(30, 'Can change tag', natural('contenttypes.ContentType', 'press', 'tag'), 'change_tag')
    yield create_auth_permission(31, 'Can delete tag', natural('contenttypes.ContentType', 'press', 'tag'), 'delete_tag')
    yield create_auth_permission(32, 'Can view tag', natural('contenttypes.ContentType', 'press', 'tag'), 'view_tag')
    yield create_auth_permission(33, 'Can add biography', natural('contenttypes.ContentType', 'press', 'biography'), 'add_biography')
    yield create_auth_permission(34, 'Can change biography', natural('contenttypes.ContentType', 'press', 'biography'), 'change_biography')
    yield create_auth_permission(35, 'Can delete biography', natural('contenttypes.ContentType', 'press', 'biography'), 'delete_biography')
    yield create_auth_permission(36, 'Can view biography', natural('contenttypes.ContentType', 'press', 'biography'), 'view_biography')
    yield create_auth_permission(37, 'Can add article', natural('contenttypes.ContentType', 'press', 'article'), 'add_article')
    yield create_auth_permission(38, 'Can change article', natural('contenttypes.ContentType', 'press', 'article'), 'change_article')
    yield create_auth_permission(39, 'Can delete article', natural('contenttypes.ContentType', 'press', 'article'), 'delete_article')
    yield create_auth_permission(40, 'Can view article', natural('contenttypes.ContentType', 'press', 'article'), 'view_article')
    yield create_auth_permission(41, 'Can add note', natural('contenttypes.ContentType', 'press', 'note'), 'add_note')
    yield create_auth_permission(42, 'Can change note', natural('contenttypes.ContentType', 'press', 'note'), 'change_note')
    yield create_auth_permission(43, 'Can delete note', natural('contenttypes.ContentType', 'press', 'note'), 'delete_note')
    yield create_auth_permission(44, 'Can view note', natural('contenttypes.ContentType', 'press', 'note'), 'view_note')
    yield create_auth_permission(45, 'Can add photo', natural('contenttypes.ContentType', 'press', 'photo'), 'add_photo')
    yield create_auth_permission(46, 'Can change photo', natural('contenttypes.ContentType', 'press', 'photo'), 'change_photo')
    yield create_auth_permission(47, 'Can delete photo', natural('contenttypes.ContentType', 'press', 'photo'), 'delete_photo')
    yield create_auth_permission(48, 'Can view photo', natural('contenttypes.ContentType', 'press', 'photo'), 'view_photo')
    yield create_auth_permission(49, 'Can add subscription', natural('contenttypes.ContentType', 'press', 'subscription'), 'add_subscription')
    yield create_auth_permission(50, 'Can change subscription', natural('contenttypes.ContentType', 'press', 'subscription'), 'change_subscription')
    yield create_auth_permission(51, 'Can delete subscription', natural('contenttypes.ContentType', 'press', 'subscription'), 'delete_subscription')
    yield create_auth_permission(52, 'Can view subscription', natural('contenttypes.ContentType', 'press', 'subscription'), 'view_subscription')
    yield create_auth_permission(53, 'Can add video', natural('contenttypes.ContentType', 'press', 'video'), 'add_video')
    yield create_auth_permission(54, 'Can change video', natural('contenttypes.ContentType', 'press', 'video'), 'change_video')
    yield create_auth_permission(55, 'Can delete video', natural('contenttypes.ContentType', 'press', 'video'), 'delete_video')
    yield create_auth_permission(56, 'Can view video', natural('contenttypes.ContentType', 'press', 'video'), 'view_video')


auth_Group = resolve_model('auth.Group')


def create_auth_group(id, name, permissions):
    return new(
        auth_Group,
        id=id,
        name=name,
        permissions=permissions,
    )


def auth_group_objects():
    yield create_auth_group(1, 'Editors', [17, 18, 29, 38, 40])
    yield create_auth_group(2, 'Kujundajad', [32, 45, 47, 53])
    yield create_auth_group(3, 'Sales', [12, 24, 49])


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
    yield create_auth_user(1, '', None, False, 'ada', '', '', '', False, True, utc(2024, 2, 29, 13, 0, 0, 123457), [1, 2], [19, 34])
    yield create_auth_user(2, '', None, False, 'õnne', '', '', '', False, True, utc(2024, 2, 29, 14, 0, 0, 123458), [2], [])
    yield create_auth_user(5, '', None, False, 'guest', '', '', '', False, True, utc(2024, 2, 29, 17, 0, 0, 123461), [], [44, 56])


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
    yield create_press_note(2, natural('contenttypes.ContentType', 'press', 'writer'), 3, 1, 'Never answers letters.', utc(2024, 2, 29, 14, 0, 0, 123458))
    yield create_press_note(3, natural('contenttypes.ContentType', 'press', 'photo'), 2, 2, 'Väga ilus', utc(2024, 2, 29, 15, 0, 0, 123459))
    yield create_press_note(4, natural('contenttypes.ContentType', 'press', 'video'), 3, 2, 'Too long', utc(2024, 2, 29, 16, 0, 0, 123460))
    yield create_press_note(7, natural('contenttypes.ContentType', 'press', 'tag'), 6, 5, '🦩?', utc(2024, 2, 29, 19, 0, 0, 123463))
    yield create_press_note(8, natural('contenttypes.ContentType', 'press', 'section'), 5, 5, ' ', utc(2024, 2, 29, 20, 0, 0, 123464))


press_Reader = resolve_model('press.Reader')


def create_press_reader(id, name, email, street, city):
    return new(
        press_Reader,
        id=id,
        name=name,
        email=email,
        street=street,
        city=city,
    )


def press_reader_objects():
    yield create_press_reader(1, 'Grace', 'grace@example.org', 'Main street 1', 'Arlington')
    yield create_press_reader(2, 'Jaan', 'jaan@example.org', 'Ülikooli 18', 'Tartu')
    yield create_press_reader(3, 'Niemand', 'nobody@example.org', '', '')
    yield create_press_reader(100, 'Sofja Ковалевская', 'sofja@example.org', '', 'Stockholm')


press_Section = resolve_model('press.Section')


def create_press_section(id, name, slug):
    return new(
        press_Section,
        id=id,
        name=name,
        slug=slug,
    )


def press_section_objects():
    yield create_press_section(1, 'World', 'world')
    yield create_press_section(2, 'Eesti', 'eesti')
    yield create_press_section(5, 'Sõnad ja pildid', 'sonad')
    yield create_press_section(9, "'Quoted' \\ section", 'quoted')


press_Subscription = resolve_model('press.Subscription')


def create_press_subscription(id, reader_id, section_id, since, price):
    return new(
        press_Subscription,
        id=id,
        reader_id=reader_id,
        section_id=section_id,
        since=since,
        price=price,
    )


def press_subscription_objects():
    yield create_press_subscription(1, 1, 1, date(2020, 1, 1), Decimal('9.90'))
    yield create_press_subscription(2, 1, 5, date(2021, 5, 1), Decimal('0.00'))
    yield create_press_subscription(3, 2, 2, date(2022, 2, 22), Decimal('1234.50'))
    yield create_press_subscription(6, 100, 9, date(1999, 12, 31), Decimal('-1.00'))


press_Tag = resolve_model('press.Tag')


def create_press_tag(id, name):
    return new(
        press_Tag,
        id=id,
        name=name,
    )


def press_tag_objects():
    yield create_press_tag(1, 'art')
    yield create_press_tag(2, 'ajalugu')
    yield create_press_tag(3, 'Ελλάς')
    yield create_press_tag(4, 'sea')
    yield create_press_tag(6, '🦩')
    yield create_press_tag(10, 'no article')


press_Writer = resolve_model('press.Writer')


def create_press_writer(id, full_name, email, phone):
    return new(
        press_Writer,
        id=id,
        full_name=full_name,
        email=email,
        phone=phone,
    )


def press_writer_objects():
    yield create_press_writer(1, 'Ada Lovelace', 'ada@example.org', '+44 20')
    yield create_press_writer(2, 'Õnne Mari Tamm', None, '')
    yield create_press_writer(3, 'Sócrates', 'socrates@example.org', '555')
    yield create_press_writer(8, 'Ursula Kroeber Le.Guin', None, '+1 503')


press_Article = resolve_model('press.Article')


def create_press_article(id, title, text, section_id, writer_id, published, words, state, tags):
    return new(
        press_Article,
        id=id,
        title=title,
        text=text,
        section_id=section_id,
        writer_id=writer_id,
        published=published,
        words=words,
        state=state,
        tags=tags,
    )


def press_article_objects():
    yield create_press_article(1, 'The engine', 'It weaves.\r\n\tPatterns.', 1, 1, '1843-09-01', '3', 'p', [1, 3])
    yield create_press_article(2, 'Meri', 'Sinine\u2028meri', 2, 2, '2024-06-24', '120', 'p', [2, 4])
    yield create_press_article(3, 'Untitled', '?', 5, None, '', '', 'd', [])
    yield create_press_article(4, 'What is justice?', 'Ask \'him\' or "her".', 1, 3, '', '0', 'r', [3])
    yield create_press_article(7, 'The wave', '  blanks  ', 9, 8, '2004-02-17', '9000', 'p', [1, 4, 6])
    yield create_press_article(11, 'Päev', '{% now %}', 2, 2, '2024-02-29', '2', 'r', [2, 6])


press_Biography = resolve_model('press.Biography')


def create_press_biography(writer_id, born, text):
    return new(
        press_Biography,
        writer_id=writer_id,
        born=born,
        text=text,
    )


def press_biography_objects():
    yield create_press_biography(1, date(1815, 12, 10), 'Wrote the first program.\nThe engine was never built.')
    yield create_press_biography(3, None, 'Wrote nothing.')
    yield create_press_biography(8, date(1929, 10, 21), 'Лучше идти, чем прийти. 🚀')


press_Photo = resolve_model('press.Photo')


def create_press_photo(id, article_id, file, caption):
    return new(
        press_Photo,
        id=id,
        article_id=article_id,
        file=file,
        caption=caption,
    )


def press_photo_objects():
    yield create_press_photo(1, 1, 'engine.png', '')
    yield create_press_photo(2, 2, 'meri/õhtu.jpg', 'Õhtu')
    yield create_press_photo(4, 7, 'wave.jpg', 'The wave, drawn')


press_Video = resolve_model('press.Video')


def create_press_video(id, article_id, url, title, seconds):
    return new(
        press_Video,
        id=id,
        article_id=article_id,
        url=url,
        title=title,
        seconds=seconds,
    )


def press_video_objects():
    yield create_press_video(1, 2, 'https://example.org/meri.mp4', 'Meri', 61)
    yield create_press_video(3, 7, 'https://example.org/wave', '', None)


install_migrations(globals())


def objects():
    yield auth_permission_objects()
    yield auth_group_objects()
    yield auth_user_objects()
    yield press_note_objects()
    yield press_reader_objects()
    yield press_section_objects()
    yield press_subscription_objects()
    yield press_tag_objects()
    yield press_writer_objects()
    yield press_article_objects()
    yield press_biography_objects()
    yield press_photo_objects()
    yield press_video_objects()

# dumpy: end
