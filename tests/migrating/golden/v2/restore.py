# dumpy: format 1
# fmt: off
"""The data of project 2.0, written by dumpy.

A row is one line: a call of the create function of its table, which creates an object. If a field
was removed, comment out its line there; if it was renamed, change the name left of the `=`. To
leave out a table, comment out its line in TABLES.
"""
from dumpy.dump import (
    Decimal, UUID, date, datetime, field_text, inf, install_migrations, json_null, nan,
    natural, new, resolve_model, stored, time, timedelta, utc,
)

SOURCE_VERSION = '2.0'
SOURCE_MIGRATIONS = {
    'auth': '0012_alter_user_first_name_max_length',
    'press': '0002_sections_and_editions',
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


auth_Group = resolve_model('auth.Group')


def create_auth_group(id, name, permissions):
    return new(
        auth_Group,
        id=id,
        name=name,
        permissions=permissions,
    )


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


press_Edition = resolve_model('press.Edition')


def create_press_edition(id, day, copies):
    return new(
        press_Edition,
        id=id,
        day=day,
        copies=copies,
    )


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


press_Section = resolve_model('press.Section')


def create_press_section(id, name, slug, parent_id):
    return new(
        press_Section,
        id=id,
        name=name,
        slug=slug,
        parent_id=parent_id,
    )


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


press_Tag = resolve_model('press.Tag')


def create_press_tag(id, name):
    return new(
        press_Tag,
        id=id,
        name=name,
    )


press_Writer = resolve_model('press.Writer')


def create_press_writer(id, full_name, email, phone):
    return new(
        press_Writer,
        id=id,
        full_name=full_name,
        email=email,
        phone=phone,
    )


press_Article = resolve_model('press.Article')


def create_press_article(id, title, subtitle, text, language, section_id, writer_id, published, words, state, tags):
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
        tags=tags,
    )


press_Biography = resolve_model('press.Biography')


def create_press_biography(writer_id, born, text):
    return new(
        press_Biography,
        writer_id=writer_id,
        born=born,
        text=text,
    )


press_Photo = resolve_model('press.Photo')


def create_press_photo(id, article_id, file, caption):
    return new(
        press_Photo,
        id=id,
        article_id=article_id,
        file=file,
        caption=caption,
    )


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


install_migrations(globals())

TABLES = [
    'auth_permission.py',
    'auth_group.py',
    'auth_user.py',
    'press_edition.py',
    'press_note.py',
    'press_reader.py',
    'press_section.py',
    'press_subscription.py',
    'press_tag.py',
    'press_writer.py',
    'press_article.py',
    'press_biography.py',
    'press_photo.py',
    'press_video.py',
]


def main():
    from dumpy.restoring import restore

    restore(globals())


if __name__ == '__main__':
    main()

# dumpy: end
