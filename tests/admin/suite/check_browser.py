"""A person with a browser: looks at a dump, loads it, and downloads rows."""

import os
from pathlib import Path

import pytest
from shared import dumped
from shop.models import Order, Product

webdriver = pytest.importorskip("selenium.webdriver")
CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
NO_BROWSER = f"needs {CHROMIUM} and {DRIVER}"
if not (CHROMIUM.exists() and DRIVER.exists()):
    pytest.skip(NO_BROWSER, allow_module_level=True)

from selenium.common.exceptions import WebDriverException  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support import expected_conditions  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

# Where pictures for the documentation are written, if anywhere.
PICTURES = os.environ.get("DUMPY_TEST_PICTURES")


@pytest.fixture(params=["light", "dark"] if PICTURES else ["light"])
def browser(request, tmp_path):
    """Return a browser that likes light or, for a picture, dark pages."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1000,860"):
        options.add_argument(argument)
    service = webdriver.ChromeService(str(DRIVER))
    driver = webdriver.Chrome(options=options, service=service)
    scheme = {"name": "prefers-color-scheme", "value": request.param}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    downloads = {"behavior": "allow", "downloadPath": str(tmp_path)}
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", downloads)
    driver.scheme = request.param
    yield driver
    driver.quit()


def pictured(browser, name):
    if PICTURES:
        browser.save_screenshot(f"{PICTURES}/{name}-{browser.scheme}.png")


def press(browser, value):
    browser.find_element(By.CSS_SELECTOR, f"[value='{value}']").click()


def wait_for(browser, text):
    """Wait for a page with a text, since a click does not."""
    there = expected_conditions.text_to_be_present_in_element((By.ID, "container"), text)
    # A page that gives way to another one while it is read is an error of the driver.
    WebDriverWait(browser, 60, ignored_exceptions=[WebDriverException]).until(there)


def log_in(browser, live_server):
    browser.get(f"{live_server}/admin/")
    browser.find_element(By.NAME, "username").send_keys("admin")
    browser.find_element(By.NAME, "password").send_keys("password")
    press(browser, "Log in")
    wait_for(browser, "Load a dump")
    pictured(browser, "index")


@pytest.mark.django_db(transaction=True)
def test_a_dump_is_looked_at_and_loaded(browser, live_server, admin_user, dump, tmp_path):
    path = tmp_path / "shop.py"
    path.write_text(dump)
    log_in(browser, live_server)
    browser.find_element(By.LINK_TEXT, "Load a dump").click()
    wait_for(browser, "Upload a dump to see")
    pictured(browser, "upload")
    browser.find_element(By.NAME, "dump").send_keys(str(path))
    press(browser, "Upload")
    wait_for(browser, "its names fit the models")
    wait_for(browser, "'Gyokuro'")
    pictured(browser, "dump")
    press(browser, "Rehearse a restore")
    wait_for(browser, "can be restored")
    browser.find_element(By.LINK_TEXT, "Load…").click()
    wait_for(browser, "All rows are loaded, or none.")
    pictured(browser, "load")
    press(browser, "Yes, load the dump")
    wait_for(browser, "Installed 3 object(s)")
    pictured(browser, "loaded")
    names = Product.objects.order_by("id").values_list("name", flat=True)
    assert [*names] == ["Assam", "Gyokuro", "Matcha"]


@pytest.mark.django_db(transaction=True)
def test_an_order_is_downloaded(browser, live_server, admin_user, shop, tmp_path):
    Order.objects.create(id=1, product_id=1)
    log_in(browser, live_server)
    browser.get(f"{live_server}/admin/shop/order/")
    browser.find_element(By.NAME, "_selected_action").click()
    Select(browser.find_element(By.NAME, "action")).select_by_value("download_as_python")
    pictured(browser, "action")
    browser.find_element(By.NAME, "index").click()
    file = tmp_path / "shop_order.py"
    # The browser makes an empty file first.
    WebDriverWait(browser, 60).until(lambda _: file.exists() and file.stat().st_size)
    assert file.read_text() == dumped(only=["shop.Order:1"])
