"""The description of the API, judged by the standard's own schema."""

import unittest

from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from tests.fixtures import api


class TestDescription(unittest.TestCase):
    def test_it_is_openapi_3_1(self) -> None:
        document = api.House().get("/v1/openapi.json").json
        validate(document, cls=OpenAPIV31SpecValidator)
        self.assertEqual("3.1.0", document["openapi"])
        self.assertIn("/v1/campaigns/{campaign_id}/actions", document["paths"])
