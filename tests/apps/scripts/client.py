"""client.py URL FILE OUT: see app_languages.py."""
import concurrent.futures
import sys

import requests

url, file, out = sys.argv[1:]
session = requests.Session()


def one(number):
    with open(f"{out}{number}", "wb") as f:
        for piece in session.get(url, stream=True, timeout=30).iter_content(65536):
            f.write(piece)
    with open(file, "rb") as f:
        return session.post(url, data=f, timeout=30).text


with concurrent.futures.ThreadPoolExecutor(4) as pool:
    for said in pool.map(one, range(4)):
        print(said)
